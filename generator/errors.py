"""Everything the generator raises.

GeneratorError
├── PermitError      the lock stays shut: no, forged, expired, foreign or spent permit
├── PortraitError    the photo cannot be animated; its message says what to change
├── VoiceError       the clip cannot be used; its message says what to change
└── EngineError      an engine broke its promises
"""


class GeneratorError(Exception):
    """Base of the family; its text is fit to show to the person who asked."""


class PermitError(GeneratorError):
    """The permit does not open this studio for this work."""


class PortraitError(GeneratorError):
    """The photo cannot be animated."""


class VoiceError(GeneratorError):
    """The voice clip cannot be used."""


class EngineError(GeneratorError):
    """An engine returned something its interface does not allow."""
