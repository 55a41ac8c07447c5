"""The tools that keep the house standing: installing, checking, generating. Nothing of the product imports them."""
