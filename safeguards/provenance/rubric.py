"""Does a credential make sense? Rules of C2PA 2.4 and its conformance programme 0.2, checked.

A library checks that a credential was not altered; it does not check that it says something a
reader can rely on. These rules, re-stated from the public asset rubrics, run over the library's
crJSON view of the active manifest. Each rule has a name and answers with what breaks it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Manifest: TypeAlias = Mapping[str, Any]

SPEC_VERSION = "2.4"
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
C2PA_SOURCE_TYPES = "http://c2pa.org/digitalsourcetype/"
TRAINED = SOURCE_TYPES + "trainedAlgorithmicMedia"
COMPOSITE_TRAINED = SOURCE_TYPES + "compositeWithTrainedAlgorithmicMedia"
ALGORITHMIC = SOURCE_TYPES + "algorithmicMedia"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SOURCE_TYPE_NAMES = _words(
    "digitalCapture computationalCapture negativeFilm positiveFilm print humanEdits "
    "minorHumanEdits compositeCapture algorithmicallyEnhanced dataDrivenMedia digitalArt "
    "digitalCreation virtualRecording compositeSynthetic trainedAlgorithmicMedia "
    "compositeWithTrainedAlgorithmicMedia algorithmicMedia screenCapture composite softwareImage "
    "multiFrameComputationalCapture"
)
_C2PA_SOURCE_TYPE_NAMES = frozenset({"empty", "trainedAlgorithmicData"})
_ASSERTIONS = _words(
    "hash.data hash.data.part actions.v2 ingredient.v3 hash.boxes hash.bmff.v3 "
    "hash.collection.data soft-binding cloud-data embedded-data metadata certificate-status "
    "asset-ref asset-type.v2 hash.multi-asset thumbnail.claim thumbnail.ingredient "
    "depthmap.GDepth icon alternative-content-representation external-reference session-keys "
    "environmental-sustainability repository-receipt ai-disclosure assertion.metadata "
    "time-stamp"
)
_INCEPTION = frozenset({"c2pa.created", "c2pa.opened"})
_MECHANICAL = _words(
    "c2pa.converted c2pa.published c2pa.repackaged c2pa.transcoded c2pa.resized.proportional "
    "c2pa.enhanced c2pa.edited.metadata c2pa.watermarked.bound c2pa.watermarked.unbound "
    "c2pa.redacted"
)
_EDITS = _words(
    "c2pa.addedText c2pa.adjustedColor c2pa.changedSpeed c2pa.cropped c2pa.deleted c2pa.drawing "
    "c2pa.dubbed c2pa.edited c2pa.filtered c2pa.mastered c2pa.mixed c2pa.orientation c2pa.placed "
    "c2pa.remixed c2pa.removed c2pa.resized c2pa.translated c2pa.trimmed c2pa.unknown"
)
_PARAMETERS = _words(
    "redacted ingredients relatedAssertions sourceLanguage targetLanguage multipleInstances "
    "ranges weight width italic slant optical-size"
)
_RELATIONS = frozenset({"parentOf", "inputTo", "componentOf"})


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that does not hold, and the value that breaks it."""

    rule: str
    found: str


def breaches(crjson: Mapping[str, Any]) -> tuple[Breach, ...]:
    """Every rule the active manifest breaks; an unreadable view breaks `readable`."""
    try:
        manifest = crjson["manifests"][0]
        return tuple(
            Breach(name, str(found)[:200]) for name, rule in RULES for found in rule(manifest)
        )
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        return (Breach("readable", type(error).__name__),)


def _assertions(m: Manifest) -> Mapping[str, Any]:
    return m.get("assertions") or {}


def _values(m: Manifest) -> list[Mapping[str, Any]]:
    return [v for v in _assertions(m).values() if isinstance(v, Mapping)]


def _actions(m: Manifest) -> list[Mapping[str, Any]]:
    return [a for v in _values(m) for a in v.get("actions") or ()]


def _ingredients(m: Manifest) -> list[Mapping[str, Any]]:
    return [v for v in _values(m) if v.get("relationship") is not None]


def _base(label: str) -> str:
    return label.split("__")[0]


def _spec_version(m: Manifest) -> Sequence[object]:
    info = m["claim.v2"].get("claim_generator_info")
    info = info[0] if isinstance(info, list) else info
    version = info.get("specVersion") if isinstance(info, Mapping) else None
    right = isinstance(version, str) and version.split(".")[:2] == SPEC_VERSION.split(".")
    return [] if right else [version]


def _claim_fields(m: Manifest) -> Sequence[object]:
    return ["specVersion"] if "specVersion" in m["claim.v2"] else []


def _inception_first(m: Manifest) -> Sequence[object]:
    created = [str(a.get("url", "")) for a in m["claim.v2"].get("created_assertions") or ()]
    first = next((url for url in created if "c2pa.actions" in url), "")
    actions = _actions(m)
    if not first.endswith("c2pa.actions.v2"):
        return [first or "no actions"]
    if not actions or actions[0].get("action") not in _INCEPTION:
        return [actions[0].get("action") if actions else "no action"]
    return [a["action"] for a in actions[1:] if a.get("action") in _INCEPTION]


def _assertion_labels(m: Manifest) -> Sequence[object]:
    known = {f"c2pa.{name}" for name in _ASSERTIONS}
    return [
        label
        for label in _assertions(m)
        if "." not in label
        or label.startswith("stds.")
        or (label.startswith("c2pa.") and _base(label) not in known)
    ]


def _action_names(m: Manifest) -> Sequence[object]:
    known = _INCEPTION | _MECHANICAL | _EDITS
    names = [str(a.get("action", "")) for a in _actions(m)]
    return [n for n in names if "." not in n or (n.startswith("c2pa.") and n not in known)]


def _action_parameters(m: Manifest) -> Sequence[object]:
    names = [key for a in _actions(m) for key in a.get("parameters") or {}]
    return [name for name in names if name not in _PARAMETERS and "." not in name]


def _agents(m: Manifest) -> Sequence[object]:
    agents = [a["softwareAgent"] for a in _actions(m) if "softwareAgent" in a]
    return [x for x in agents if not (isinstance(x, Mapping) and isinstance(x.get("name"), str))]


def _all_actions(m: Manifest) -> Sequence[object]:
    return [
        "missing"
        for v in _values(m)
        if v.get("actions") is not None and v.get("allActionsIncluded") is None
    ]


def _source_types(m: Manifest) -> Sequence[object]:
    known = {SOURCE_TYPES + name for name in _SOURCE_TYPE_NAMES}
    known |= {C2PA_SOURCE_TYPES + name for name in _C2PA_SOURCE_TYPE_NAMES}
    found = [a["digitalSourceType"] for a in _actions(m) if "digitalSourceType" in a]
    return [t for t in found if t not in known]


def _source_type_presence(m: Manifest) -> Sequence[object]:
    wrong = []
    for a in _actions(m):
        name, has = a.get("action"), a.get("digitalSourceType") is not None
        needs = name == "c2pa.created" or (name in _EDITS and name != "c2pa.placed")
        if (needs and not has) or (name == "c2pa.opened" and has):
            wrong.append(name)
    return wrong


def _opened(m: Manifest) -> Sequence[object]:
    opened = [a.get("parameters") or {} for a in _actions(m) if a.get("action") == "c2pa.opened"]
    return ["c2pa.opened" for p in opened if len(p.get("ingredients") or ()) != 1]


def _bindings(m: Manifest) -> Sequence[object]:
    marked = any(a.get("action") == "c2pa.watermarked.bound" for a in _actions(m))
    bound = any(_base(label) == "c2pa.soft-binding" for label in _assertions(m))
    return ["watermarked without a soft binding"] if marked and not bound else []


def _hard_binding(m: Manifest) -> Sequence[object]:
    hashes = [x for x in _assertions(m) if x.startswith("c2pa.hash.")]
    urls = [x for x in hashes if "url" in _assertions(m)[x]]
    return urls if len(hashes) == 1 else [f"{len(hashes)} hard bindings", *urls]


def _urn(m: Manifest) -> Sequence[object]:
    label = str(m.get("label", ""))
    return [] if label.startswith("urn:c2pa:") else [label]


def _ingredient_shape(m: Manifest) -> Sequence[object]:
    wrong: list[object] = []
    for i in _ingredients(m):
        active, results = i.get("activeManifest"), i.get("validationResults")
        if i["relationship"] not in _RELATIONS:
            wrong.append(i["relationship"])
        if (active is None) != (results is None):
            wrong.append("validation results and manifest do not go together")
        if active is not None and i.get("digitalSourceType") is not None:
            wrong.append("manifest and digitalSourceType")
    return wrong


def _external(m: Manifest) -> Sequence[object]:
    forbidden = ("c2pa.hash", "c2pa.ingredient", "c2pa.actions", "c2pa.cloud-data", "c2pa.external")
    outside = [v for v in _values(m) if v.get("url") is not None and "relationship" not in v]
    return [v["label"] for v in outside if str(v.get("label", "")).startswith(forbidden)]


def _failures(m: Manifest) -> Sequence[object]:
    return [f.get("code") for f in m["validationResults"].get("failure") or ()]


RULES: tuple[tuple[str, Callable[[Manifest], Sequence[object]]], ...] = (
    ("spec version is 2.4 in the claim generator", _spec_version),
    ("no deprecated claim fields", _claim_fields),
    ("exactly one inception action, and first", _inception_first),
    ("assertion labels are known or namespaced", _assertion_labels),
    ("action names are known or namespaced", _action_names),
    ("action parameters are known or namespaced", _action_parameters),
    ("software agents are named objects", _agents),
    ("allActionsIncluded is said", _all_actions),
    ("digital source types exist", _source_types),
    ("digital source types stand where they must", _source_type_presence),
    ("an opened action has one ingredient", _opened),
    ("a bound watermark has its soft binding", _bindings),
    ("one hard binding, without address", _hard_binding),
    ("the manifest's name is a urn:c2pa", _urn),
    ("ingredients are well formed", _ingredient_shape),
    ("external references point nowhere forbidden", _external),
    ("no validation failure", _failures),
)
