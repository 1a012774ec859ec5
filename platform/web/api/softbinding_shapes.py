"""Shapes of the C2PA Soft Binding Resolution API 2.4, as that specification names its fields."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class MatchShape(BaseModel):
    """A manifest that was found."""

    manifestId: str
    similarityScore: int | None = Field(
        None, ge=0, le=100, description="Agreement of the content, in percent; only by content."
    )


class MatchesShape(BaseModel):
    """The manifests that were found, best first."""

    matches: list[MatchShape]


class RepositoryShape(BaseModel):
    """Where a manifest is kept."""

    uri: str
    manifestId: str


class AnchorProofShape(BaseModel):
    """What proves it: for org.primafacie.tlog-proof.1 base64 of a JSON object with the log's leaf
    (base64) and its C2SP tlog-proof (text)."""

    alg: str
    value: str


class AnchorShape(BaseModel):
    """What a receipt rests on."""

    uri: str
    proof: AnchorProofShape


class ReceiptShape(BaseModel):
    """A repository receipt (C2PA 2.4, section 18.27) and whether it holds."""

    model_config = ConfigDict(populate_by_name=True)
    context: dict[str, Any] = Field(alias="@context")
    type: str = Field(alias="@type")
    repository: RepositoryShape
    anchor: AnchorShape
    verified: bool


class AlgorithmShape(BaseModel):
    """A scheme, by its name on the C2PA list or by its maker's."""

    alg: str


class AlgorithmsShape(BaseModel):
    """The schemes that can be resolved here."""

    watermarks: list[AlgorithmShape]
    fingerprints: list[AlgorithmShape]


class CapabilitiesShape(BaseModel):
    """What of the API is offered."""

    c2paSpecificationVersion: str
    supportedCapabilities: list[str]


class ServiceStatusShape(BaseModel):
    """Does it work?"""

    status: str = Field(description="ok, degraded or down.")
    timestamp: str


SHAPES: tuple[type[BaseModel], ...] = (
    MatchShape, MatchesShape, RepositoryShape, AnchorProofShape, AnchorShape, ReceiptShape,
    AlgorithmShape, AlgorithmsShape, CapabilitiesShape, ServiceStatusShape,
)  # fmt: skip

_ALG = {"in": "query", "name": "alg", "schema": {"type": "string"}}
_VALUE = {"in": "query", "name": "value", "required": True, "schema": {"type": "string"},
          "description": "The soft binding's value, base64."}  # fmt: skip
_MOST = {"in": "query", "name": "maxResults",
         "schema": {"type": "integer", "minimum": 1, "default": 10}}  # fmt: skip
_HINTS = [
    {"in": "query", "name": "hintAlg", "schema": {"type": "string"}},
    {"in": "query", "name": "hintValue", "schema": {"type": "string"},
     "description": "A binding to try where none can be read; the content must agree."},
]  # fmt: skip


def describe(spec: dict[str, Any], prefix: str) -> None:
    """Add the queries' parameters and bodies to the OpenAPI document."""
    paths = spec["paths"]
    asked = paths[f"{prefix}/matches/byBinding"]
    asked["get"]["parameters"] = [{**_ALG, "required": True}, _VALUE, _MOST]
    asked["post"]["parameters"] = [_MOST]
    asked["post"]["requestBody"] = _json({
        "type": "object", "required": ["alg", "value"],
        "properties": {"alg": {"type": "string"}, "value": {"type": "string"}},
    })  # fmt: skip
    content = paths[f"{prefix}/matches/byContent"]["post"]
    content["parameters"] = [_ALG, *_HINTS, _MOST]
    binary = {"schema": {"type": "string", "format": "binary"}}
    kinds = ("image/*", "video/*", "audio/*", "application/*")
    content["requestBody"] = {"required": True, "content": dict.fromkeys(kinds, binary)}
    checked = paths[f"{prefix}/manifests/{{manifest}}/receipts"]["post"]
    checked["requestBody"] = _json({"$ref": "#/components/schemas/ReceiptShape"})


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}
