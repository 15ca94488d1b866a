// Answers the PATCH cases of `cargo xtask peers` with the npm package scim-patch. README.md says what the lines hold.

import scimPatch from "scim-patch";

import {answerLines} from "./lines.mjs";

await answerLines((_, entry) => {
    const strict = entry.dialect === "strict";
    const body = {schemas: [scimPatch.PATCH_OPERATION_SCHEMA], Operations: entry.operations};
    try {
        scimPatch.patchBodyValidation(body);
        const options = {mutateDocument: false, treatMissingAsAdd: !strict};
        return {resource: scimPatch.scimPatch(entry.resource, entry.operations, options)};
    } catch (error) {
        if (error instanceof scimPatch.ScimError) {
            return {refused: `${error.name}: ${error.message}`};
        }
        throw error;
    }
});
