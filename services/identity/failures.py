"""Why a sign-in or a key is refused; the docstring is what the person reads."""

from kernel.failures import Conflict, Forbidden, Invalid, NotSignedIn, Throttled, Unknown


class PasswordWrong(NotSignedIn):
    """Account name or password is wrong. Check both and try again."""

    code = "password-wrong"


class AccountLocked(Throttled):
    """Too many wrong passwords. Wait a few minutes, or ask your hospital's service desk."""

    code = "account-locked"


class ClientUnknown(Invalid):
    """This application is not registered here, or asks to return to an address that is not its own."""

    code = "client-unknown"


class GrantUnreadable(Invalid):
    """The sign-in request is incomplete. Start again from the application."""

    code = "grant-unreadable"


class GrantSpent(Invalid):
    """This sign-in has expired or was already used. Sign in again."""

    code = "grant-spent"


class KeyUnreadable(Invalid):
    """A signing key is a public JWK of type EC on curve P-256, without its private part."""

    code = "signing-key-unreadable"


class KeyTaken(Conflict):
    """This signing key already belongs to another account. Make a new key."""

    code = "signing-key-taken"


class KeyUnknown(Unknown):
    """No such signing key is enrolled here."""

    code = "signing-key-unknown"


class NotYourKey(Forbidden):
    """A signing key can be revoked by its holder alone."""

    code = "not-your-key"
