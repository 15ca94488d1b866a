"""Answers the cases of `cargo xtask peers` with the PyPI package scim2-models. README.md says what the lines hold."""

import json
import sys

from pydantic import ValidationError
from scim2_models import Context, PatchOp, ResourceType, Schema, ScimFilter, ScimPolicy, ScimProvider, SCIMException

STRICT = ScimPolicy()
LENIENT = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)


class World:
    def __init__(self, world):
        types = [
            ResourceType.model_validate({
                "id": t["name"],
                "name": t["name"],
                "endpoint": f"/{t['name']}s",
                "schema": t["schema"],
                "schemaExtensions": [{"schema": urn, "required": False} for urn in t["schemaExtensions"]],
            })
            for t in world["resourceTypes"]
        ]
        schemas = [Schema.model_validate(schema) for schema in world["schemas"]]
        provider = ScimProvider.from_discovery(schemas, types)
        self.models = {t.name: provider.model_for(t.name) for t in types}
        union = None
        for model in self.models.values():
            union = model if union is None else union | model
        self.filter = ScimFilter[union]
        self.documents = {
            name: {key: self.load(document) for key, document in documents.items()}
            for name, documents in world["documents"].items()
        }

    def model(self, document):
        return self.models[document["meta"]["resourceType"]]

    def load(self, document):
        stored = ScimPolicy(unknown=ScimPolicy.Unknown.keep)
        return self.model(document).model_validate(document, scim_policy=stored)

    def matches(self, case):
        parsed = self.filter(case["filter"])
        documents = self.documents[case["documents"]]
        return {"matches": [name for name, document in documents.items() if parsed.match(document)]}

    def patched(self, case):
        policy = STRICT if case["dialect"] == "strict" else LENIENT
        resource = self.load(case["resource"])
        request = PatchOp[self.model(case["resource"])].model_validate(
            {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": case["operations"]},
            scim_ctx=Context.RESOURCE_PATCH_REQUEST,
            scim_policy=policy,
        )
        request.patch(resource, scim_policy=policy)
        return {"resource": resource.model_dump(mode="json")}


def answer(world, case):
    try:
        return world.matches(case) if "filter" in case else world.patched(case)
    except (SCIMException, ValidationError) as refusal:
        return {"refused": str(refusal)}
    except Exception as failure:  # anything else is a fault of the package, and an answer here
        return {"failed": f"{type(failure).__name__}: {failure}"}


def main():
    world = World(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        case = json.loads(line)
        print(json.dumps({"id": case["id"], **answer(world, case)}))


main()
