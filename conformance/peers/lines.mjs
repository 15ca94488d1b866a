// What the JavaScript drivers share: a world on the first line, a case on each further line, an answer for each case.

import {createInterface} from "node:readline";

/**
 * Reads the world, then answers each case. What `answer` throws is a failure of the package, not a refusal.
 */
export async function answerLines(answer, prepare = (world) => world) {
    let world;
    for await (const line of createInterface({input: process.stdin, crlfDelay: Infinity})) {
        const entry = JSON.parse(line);
        if (world === undefined) {
            world = prepare(entry);
            continue;
        }
        let found;
        try {
            found = await answer(world, entry);
        } catch (error) {
            found = {failed: String(error)};
        }
        process.stdout.write(`${JSON.stringify({id: entry.id, ...found})}\n`);
    }
}
