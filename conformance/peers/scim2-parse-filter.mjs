// Answers the filter cases of `cargo xtask peers` with the npm package scim2-parse-filter. README.md says what the
// lines hold.

import {filter, parse} from "scim2-parse-filter";

import {answerLines} from "./lines.mjs";

await answerLines((world, entry) => {
    let matches;
    try {
        matches = filter(parse(entry.filter));
    } catch (error) {
        return {refused: String(error)};
    }
    const documents = Object.entries(world.documents[entry.documents]);
    return {matches: documents.filter(([, document]) => matches(document)).map(([name]) => name)};
});
