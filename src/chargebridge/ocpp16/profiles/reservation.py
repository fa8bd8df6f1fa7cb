"""The messages of the Reservation profile."""

from chargebridge.ocpp16.enums import CancelReservationStatus, ReservationStatus
from chargebridge.ocpp16.fields import CiString20, Integer, Optional, Request, Response, Timestamp


class CancelReservation(Request, frozen=True, kw_only=True):
    """Drop a reservation (§5.1)."""

    reservation_id: Integer


class CancelReservationResponse(Response, frozen=True, kw_only=True):
    """The answer to CancelReservation."""

    status: CancelReservationStatus


class ReserveNow(Request, frozen=True, kw_only=True):
    """Keep a connector for this idTag (§5.13)."""

    connector_id: Integer
    expiry_date: Timestamp
    id_tag: CiString20
    reservation_id: Integer
    parent_id_tag: Optional[CiString20] = None


class ReserveNowResponse(Response, frozen=True, kw_only=True):
    """The answer to ReserveNow."""

    status: ReservationStatus
