// Answers the cases of `cargo xtask peers` with the npm package scimmy. README.md says what the lines hold.

import SCIMMY from "scimmy";

import {answerLines} from "./lines.mjs";

const {Attribute, Filter, Schema, SchemaDefinition} = SCIMMY.Types;

// SCIMMY takes schema URNs of this namespace only, so the test extension goes by another name while it is in there.
const SCHEMAS = "urn:ietf:params:scim:schemas:";
const OUR_LAB = "urn:example:scim:schemas:extension:lab:2.0:User";
const THEIR_LAB = `${SCHEMAS}extension:lab:2.0:User`;

function renamed(value, from, to) {
    const pattern = new RegExp(from.replaceAll(".", "\\."), "gi");
    return JSON.parse(JSON.stringify(value).replace(pattern, to));
}

function attribute(described) {
    const {name, type, mutability, returned, uniqueness} = described;
    // Canonical values are suggestions in a schema document and a closed list in SCIMMY: they are left out.
    const config = {
        multiValued: described.multiValued,
        required: described.required,
        mutable: mutability === "immutable" ? mutability : mutability !== "readOnly",
        returned: returned === "never" ? false : returned === "default" ? true : returned,
        direction: mutability === "readOnly" ? "out" : mutability === "writeOnly" ? "in" : "both",
    };
    if (type === "reference") config.referenceTypes = described.referenceTypes;
    if (type !== "binary" && type !== "complex" && type !== "boolean") {
        config.uniqueness = uniqueness ?? "none";
        config.caseExact = described.caseExact ?? false;
    }
    return new Attribute(type, name, config, (described.subAttributes ?? []).map(attribute));
}

const COMMON = ["schemas", "id", "externalId", "meta"];

function definition(schema) {
    const own = schema.attributes.filter(({name}) => !COMMON.includes(name));
    return new SchemaDefinition(schema.name, schema.id, schema.description ?? "", own.map(attribute));
}

/** The class of a resource type, made the way SCIMMY's own User and Group are made. */
function resourceClass(described, schemas) {
    const whole = definition(schemas.find(({id}) => id === described.schema));
    for (const urn of described.schemaExtensions) {
        whole.extend(definition(schemas.find(({id}) => id === urn)), false);
    }
    return class extends Schema {
        static get id() { return whole.id; }
        static get definition() { return whole; }
        constructor(resource, direction = "both", basepath, filters) {
            super(resource, direction);
            Object.assign(this, whole.coerce(resource, direction, basepath, filters));
        }
    };
}

function prepare(given) {
    const world = renamed(given, OUR_LAB, THEIR_LAB);
    const classes = world.resourceTypes.map((described) => [described.name, resourceClass(described, world.schemas)]);
    return {documents: world.documents, classes: new Map(classes)};
}

async function answer(world, given) {
    const entry = renamed(given, OUR_LAB, THEIR_LAB);
    return renamed(await (entry.filter === undefined ? patched(world, entry) : matching(world, entry)), THEIR_LAB, OUR_LAB);
}

function matching(world, entry) {
    let filter;
    try {
        filter = new Filter(entry.filter);
    } catch (error) {
        return {refused: String(error)};
    }
    const documents = Object.entries(world.documents[entry.documents]);
    const found = new Set(filter.match(documents.map(([, document]) => document)));
    return {matches: documents.filter(([, document]) => found.has(document)).map(([name]) => name)};
}

async function patched(world, entry) {
    const Resource = world.classes.get(entry.resource.meta.resourceType);
    const before = new Resource(entry.resource, "out");
    try {
        const schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
        const message = new SCIMMY.Messages.PatchOp({schemas, Operations: entry.operations});
        const after = await message.apply(before);
        return {resource: JSON.parse(JSON.stringify(after ?? before))};
    } catch (error) {
        if (error instanceof SCIMMY.Types.Error) return {refused: `${error.scimType}: ${error.message}`};
        throw error;
    }
}

await answerLines(answer, prepare);
