"""The rules by which a charger charges without its cloud."""

from msgspec import Struct, structs

from chargebridge.chargers.model import Configure


class Rules(Struct, frozen=True, omit_defaults=True):
    """The rules by which a charger charges without its cloud; see `Configure`."""

    authorization_required: bool = True
    free_charging_tag: str | None = None
    authorize_offline: bool = True
    allow_unknown_offline: bool = False
    end_when_unplugged: bool = True
    unlock_when_unplugged: bool = False

    def changed_by(self, command: Configure) -> "Rules":
        """Return the rules after this command; what it leaves open stays."""
        changed = {
            name: value for name in self.__struct_fields__ if (value := getattr(command, name)) is not None
        }
        if command.free_charging_tag == "":
            changed["free_charging_tag"] = None
        return structs.replace(self, **changed)
