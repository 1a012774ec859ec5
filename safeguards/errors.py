"""Everything the safeguards raise.

SafeguardError
├── PolicyError        the policy set cannot be used: missing, changed, invalid
├── ConsentError       a consent record is malformed, unsigned, or may not move to that state
├── FaceError          a face model or template cannot be used
├── VoiceprintError    a speaker model or template cannot be used
├── CaptureError       a recording of the challenge cannot be looked at
├── RequestError       the request itself is malformed (bad input, never a refusal by policy)
├── MarkError          the watermark could not be embedded, or may not be
├── MediaError         a file could not be decoded or encoded within its limits
├── ManifestError      a C2PA manifest could not be written or read
│   └── TimestampError no trusted time could be had
├── RevocationError    nobody can say now whether a certificate was revoked
├── SealError          the sealed file did not read back as it must; nothing was kept
└── GateError          the road broke off after it was entered; the log says where
    └── WrongFaceError the picture that was drawn does not show the person who consented
"""


class SafeguardError(Exception):
    """Base of the family; its text is fit to show to the person who asked."""


class PolicyError(SafeguardError):
    """The policy set cannot be used, so nothing may be decided."""


class ConsentError(SafeguardError):
    """A consent record is malformed, wrongly signed, or may not move to that state."""


class FaceError(SafeguardError):
    """A face model or template cannot be used."""


class VoiceprintError(SafeguardError):
    """A speaker model or template cannot be used."""


class CaptureError(SafeguardError):
    """A recording of the challenge cannot be looked at."""


class RequestError(SafeguardError):
    """The request is malformed; the message names the thing and the limit."""


class MarkError(SafeguardError):
    """The watermark could not be embedded, or may not be."""


class MediaError(SafeguardError):
    """A file could not be decoded or encoded within its limits."""


class ManifestError(SafeguardError):
    """A C2PA manifest could not be written or read."""


class TimestampError(ManifestError):
    """No trusted time could be had; sign again later."""


class RevocationError(SafeguardError):
    """Nobody can say now whether a certificate was revoked; until then it signs nothing."""


class SealError(SafeguardError):
    """The sealed file did not read back as it must; nothing was kept."""


class GateError(SafeguardError):
    """The road broke off after it was entered; the log says where."""


class WrongFaceError(GateError):
    """The picture that was drawn does not show the person who consented."""
