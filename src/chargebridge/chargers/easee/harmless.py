"""What may stay in a redacted file: the fields, values and words that identify nobody. Everything else goes.

Names of fields are in lower case without `_`, since the cloud writes them in several ways.
"""

import re
from typing import Final

from chargebridge.chargers.easee.twin.observations import DATA_TYPES, DataType, Observation


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NUMERIC: Final = {DataType.BOOLEAN, DataType.DOUBLE, DataType.INTEGER}

NUMBER_OBSERVATIONS: Final = frozenset(
    int(id) for id, kind in DATA_TYPES.items() if kind in _NUMERIC and id is not Observation.SITE_ID_NUMERIC
)
"""Observations whose value stays if it is a number or a boolean."""
WORD_OBSERVATIONS: Final = frozenset({int(Observation.CLOUD_DISCONNECT_REASON), int(Observation.PILOT_MODE)})
"""Observations whose value stays if it is one word, as names of values are."""
KNOWN_TEXTS: Final = frozenset(map(int, DATA_TYPES)) - NUMBER_OBSERVATIONS - WORD_OBSERVATIONS
"""Observations of which nothing stays but JSON without whatever identifies somebody."""
REVERSED_TOKENS: Final = frozenset({int(Observation.USER_ID_TOKEN_REVERSED)})
"""Observations with the bytes of a token in reverse order."""

KEYS: Final = frozenset(name.lower().replace("_", "") for name in Observation.__members__) | _words(
    """
    accessclaims accesslevel accessmode accesstoken address alsosendwhennotcharging area arguments auth
    authreason backplate buildingnumber cablerating carconnected cardisconnected chargedurationinseconds
    chargerfirmware chargerid chargers chargerstates chargingcurrentlimit circuitid circuitpanelid
    circuits circuitstates client color commandid comment company connectionid connectiontoken
    contactinfo costexcludingvat costincludingvat costperkwh costperkwhexcludevat country createdon
    currencyid daily datatype days delayed detail device email enabled energykwh energyperhour
    equalizers error errorcode errorcodename errors exchangename expiresat expiresin
    firstenergytransferperiodstart firstenergytransferperiodstarted fuse id installerid installername
    installerphonenumber intervalinminutes invocationid isenabled isonline kilowatthours
    lastenergytransferperiodend latestfirmware latestpulse levelofaccess limit
    limittosinglephasecharging masterbackplate masterbackplateid maxamps maximumamps measuredat
    measurements metervalue metervaluestart metervaluestop mid mode name negotiateversion observationid
    observations offlinemaxcircuitcurrentp1 offlinemaxcircuitcurrentp2 offlinemaxcircuitcurrentp3
    operationid ownername ownerphonenumber panelname parentcircuitid partner partnerid password periods
    phase1 phase2 phase3 phoneno phoneprefix port priceperkwhexcludingvat pricepkwhincludingvat
    priceprkwhincludingvat product productcode profilekind protocol queuename ratedcurrent rcd reason
    recurrencykind refreshtoken resultcode rfidkey serialnumber server sessionend sessionenergy
    sessionid sessionstart siteid sitekey sitetype siteusers start startday startschedule starttime
    state status stop stopday stoptime street target ticks timestamp timetolive timezone title tokentype
    totalpower traceid transferformats transports type unittype updatedon usedynamicmaster userid
    username userrole uuid value values vat vatpercentage version voltage wasaccepted weekly zip
    """
)
"""Fields whose names stay whatever else was learned."""

NUMBER_KEYS: Final = (
    frozenset(id.name.lower().replace("_", "") for id in Observation if int(id) in NUMBER_OBSERVATIONS)
    | frozenset(
        f"{name}{ends}" for name in ("involtage", "outvoltage") for ends in ("t1t2", "t1t3", "t1t4", "t1t5")
    )
    | frozenset(f"involtage{ends}" for ends in ("t2t3", "t2t4", "t2t5", "t3t4", "t3t5", "t4t5"))
    | _words(
        """
    authreason chargedurationinseconds chargerfirmware chargingcurrentlimit costexcludingvat
    costincludingvat costperkwh costperkwhexcludevat currentfirmware datatype energykwh errorcode
    expiresin fuse intervalinminutes kilowatthours latestfirmware limit maximumamps metervalue
    metervaluestart metervaluestop observationid offlinemaxcircuitcurrentp1 offlinemaxcircuitcurrentp2
    offlinemaxcircuitcurrentp3 periods phase1 phase2 phase3 priceperkwhexcludingvat
    priceprkwhincludingvat productcode ratedcurrent resultcode sessionid ticks timetolive type
    vat vatpercentage voltage
    """
    )
)
"""Fields whose numbers stay, whatever their size."""

WORD_KEYS: Final = _words(
    """
    accesslevel authreason enabled errorcodename kind level mode profilekind protocol recurrencykind
    startday stopday target tokentype transferformats transport transports unittype
    """
)
"""Fields whose values stay if they are one word."""

SESSION_KEYS: Final = frozenset({"metervalue", "metervaluestart", "metervaluestop", "energykwh"})
"""An `id` beside one of these is that of a session, which only counts a charger's sessions."""
TICKET_KEYS: Final = frozenset({"ticks", "wasaccepted", "resultcode"})
"""An `id` beside one of these is that of a command."""

REVEALING: Final = re.compile(
    "(id|key)$|phone|zip|postal|building|house|street|country|address|latitude|longitude"
)
"""Unknown fields in whose names this is found keep no number at all."""

TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?|\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?Z?",
    re.ASCII,
)
NUMBER: Final = re.compile(r"-?\d{1,19}(?:\.\d{1,9})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
"""Without a plus: that is how telephone numbers begin."""
BOOLEAN: Final = re.compile(r"true|false", re.IGNORECASE | re.ASCII)
WORD: Final = re.compile(r"[A-Za-z][A-Za-z_]{0,60}", re.ASCII)
NAME_OF_VALUE: Final = re.compile(r"[A-Z][A-Z_]{0,60}", re.ASCII)
PUBLIC_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_ ]{0,60}", re.ASCII)
"""What the name of an observation looks like."""
FIELD: Final = re.compile(r"[A-Za-z_]{1,60}\d{0,2}", re.ASCII)
"""What the name of an unknown field looks like."""

ROUTE: Final = _words(
    """
    access accounts all amqp api basic_charge_plan charger chargers chargersessions circuits commands
    commissioning config configure country daily day delayed descending detailed details disable
    dynamiccurrent easeekeys energy equalizers firmware from hourly hubs id ids latest lifetime-energy
    limit negotiate observation_properties observations ongoing partners plan products profile
    rated_current resources rfidkeys schedules session sessions settings site sites state streams to
    total users v1 v2 weekly_charge_plan
    """
)
"""Parts of paths, and names in queries."""
PUBLIC_LISTS: Final = frozenset({"/api/resources/observation_properties"})
"""Lists of Easee's in which nobody's names are."""
PLAIN_QUERY: Final = frozenset({"ids", "limit", "offset", "detailed", "page", "pagesize"})
"""Names in queries whose values stay if they are numbers or booleans, separated by commas."""
HEADER_NAME: Final = re.compile(r"[A-Za-z-]{1,60}", re.ASCII)
HOSTS: Final = frozenset({"api.easee.com", "streams.easee.com", "127.0.0.1", "localhost"})
HEADERS: Final = frozenset(
    {
        "content-length",
        "content-type",
        "date",
        "retry-after",
        "x-rate-limit-limit",
        "x-rate-limit-remaining",
        "x-rate-limit-reset",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
    }
)
"""Headers of answers that are kept; of others the name is."""
ROUTING: Final = re.compile(
    r"[A-Z]{1,3}|observations?|commands?|responses?|pulses?", re.IGNORECASE | re.ASCII
)
"""Parts of routing keys that stay."""

TEXT: Final = _words(
    """
    a access account an and are argument array as at be been body broker by cannot charger closed cloud
    command connection could denied does duplicate end error exceeded exist expected expired failed
    field for forbidden found from gateway has http in internal invalid invocation is it json key length
    limit limited limiting lost malformed many message messages method missing more no not object
    occurred of on one open or out quota rate reached read refused request requests response server
    service session sessions state status stream string support temporarily the there this time timed
    timeout to token too truncated unable unauthorized unavailable unexpected unknown unreachable
    unsupported validation value wait was with your
    """
)
"""Words that stay in free text."""
