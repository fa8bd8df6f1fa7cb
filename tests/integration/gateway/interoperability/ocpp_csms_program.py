"""A central system of PyPI's `ocpp-csms`, which speaks as the programs in JavaScript do.

What it heard are the library's events; those that decide are in the words of OCPP.
"""

import asyncio
import dataclasses
import json
import sys

from ocpp.charge_point import camel_to_snake_case, snake_to_camel_case
from ocpp.v16 import call
from ocpp_csms import (
    AuthorizationStatus,
    BootEvent,
    CentralSystem,
    MeterValuesEvent,
    StatusEvent,
    TransactionStartedEvent,
    TransactionStoppedEvent,
)


def say(message):
    sys.stdout.write(json.dumps(message, default=float) + "\n")
    sys.stdout.flush()


def heard(identity, action, payload, answered=None):
    say(
        {
            "heard": {
                "identity": identity,
                "action": action,
                "payload": {name: value for name, value in payload.items() if value is not None},
                "answered": answered or {},
            }
        }
    )


async def authorize(charge_point, id_tag):
    heard(charge_point.id, "Authorize", {"idTag": id_tag})
    return AuthorizationStatus.BLOCKED if id_tag == "BLOCKED" else AuthorizationStatus.ACCEPTED


def on_event(event):
    identity = event.charge_point_id
    match event:
        case BootEvent(info=boot):
            heard(
                identity,
                "BootNotification",
                {"chargePointVendor": boot.vendor, "chargePointModel": boot.model},
            )
        case StatusEvent(connector=connector):
            heard(
                identity,
                "StatusNotification",
                {
                    "connectorId": connector.connector_id,
                    "status": str(connector.status),
                    "errorCode": str(connector.error_code),
                },
            )
        case MeterValuesEvent():
            samples = [
                {"measurand": one.measurand, "value": str(one.value), "unit": one.unit}
                for one in event.readings
            ]
            heard(
                identity,
                "MeterValues",
                {
                    "connectorId": event.connector_id,
                    "transactionId": event.transaction_id,
                    "meterValue": [{"sampledValue": samples}],
                },
            )
        case TransactionStartedEvent(transaction=one):
            heard(
                identity,
                "StartTransaction",
                {"connectorId": one.connector_id, "idTag": one.id_tag, "meterStart": one.meter_start},
                {"transactionId": one.transaction_id},
            )
        case TransactionStoppedEvent(transaction=one):
            heard(
                identity,
                "StopTransaction",
                {
                    "transactionId": one.transaction_id,
                    "meterStop": one.meter_stop,
                    "reason": one.stop_reason,
                },
            )


async def obey(central_system, order):
    try:
        request = getattr(call, order["action"])(**camel_to_snake_case(order["payload"]))
        answer = await central_system.charge_points[order["identity"]].async_call(request)
        result = {
            name: value
            for name, value in snake_to_camel_case(dataclasses.asdict(answer)).items()
            if value is not None
        }
        say({"number": order["number"], "result": result})
    except Exception as error:  # noqa: BLE001 - whatever it is, the test is told
        say({"number": order["number"], "error": f"{type(error).__name__}: {error}"})


async def main():
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    async with CentralSystem(host="127.0.0.1", port=int(sys.argv[1]), authorize=authorize) as central_system:
        central_system.add_listener(on_event)
        running = set()
        async for line in orders:
            task = asyncio.create_task(obey(central_system, json.loads(line)))
            running.add(task)
            task.add_done_callback(running.discard)


asyncio.run(main())
