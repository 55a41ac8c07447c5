"""The city's hospitals and pharmacies as FHIR Organization, coded as Chongqing's master-data guide asks.

https://hl7.org/fhir/R4/organization.html; the codes stand in record/codes/chongqing.
"""

from dataclasses import dataclass

from yuzhen.demo_city.codes import (
    CHONGQING,
    CREDIT_CODE,
    INSTITUTION_LICENCE,
    ORGANIZATION_KIND,
    TERMINOLOGY,
    Element,
    Resource,
    chongqing_coding,
    chongqing_extension,
    coding,
    concept,
    identifier_type,
    in_english,
    reference,
)

CodeAndDisplay = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Site:
    """Where an organisation stands: district and street by code and name, house line, postal code."""

    district: CodeAndDisplay
    street: CodeAndDisplay
    line: str
    postal_code: str


@dataclass(frozen=True, slots=True)
class Hospital:
    """A licensed hospital: level and kind are codes of Chongqing's code systems."""

    id: str
    name_zh: str
    name_en: str
    site: Site
    level: CodeAndDisplay
    kind: CodeAndDisplay
    uscc: str
    phone: str

    @property
    def licence(self) -> str:
        """登记号: organisation code, district, and the kind of institution."""
        return f"{self.uscc[8:17]}{self.site.district[0]}{self.kind[0]}1"


@dataclass(frozen=True, slots=True)
class Pharmacy:
    """A retail pharmacy, or the pharmacy department of a hospital."""

    id: str
    name_zh: str
    name_en: str
    site: Site
    phone: str
    hospital_id: str | None = None
    uscc: str | None = None


YUZHONG = Site(("500103", "渝中区"), ("500103003", "解放碑街道"), "示范路1号", "400010")
JIANGBEI = Site(("500105", "江北区"), ("500105006", "观音桥街道"), "示范路2号", "400020")
BEIBEI = Site(("500109", "北碚区"), ("500109001", "天生街道"), "示范路3号", "400700")

HOSPITALS = (
    Hospital(
        "hospital-1", "重庆云岭示范医院", "Chongqing Yunling Demonstration Hospital", YUZHONG,
        ("2", "三级甲等"), ("A100", "综合医院"), "12500103DM00000134", "+86-23-00000101",
    ),
    Hospital(
        "hospital-2", "重庆江湾示范医院", "Chongqing Jiangwan Demonstration Hospital", JIANGBEI,
        ("5", "二级甲等"), ("A100", "综合医院"), "12500105DM0000021U", "+86-23-00000102",
    ),
    Hospital(
        "hospital-3", "重庆缙霞示范中医院", "Chongqing Jinxia Demonstration Hospital of Chinese Medicine", BEIBEI,
        ("5", "二级甲等"), ("A210", "中医 (综合) 医院"), "12500109DM000003XD", "+86-23-00000103",
    ),
)  # fmt: skip

PHARMACIES = (
    Pharmacy("pharmacy-hospital-1", "重庆云岭示范医院药学部", "Pharmacy of Yunling Demonstration Hospital",
             YUZHONG, "+86-23-00000111", hospital_id="hospital-1"),
    Pharmacy("pharmacy-hospital-2", "重庆江湾示范医院药剂科", "Pharmacy of Jiangwan Demonstration Hospital",
             JIANGBEI, "+86-23-00000112", hospital_id="hospital-2"),
    Pharmacy("pharmacy-hospital-3", "重庆缙霞示范中医院药剂科", "Pharmacy of Jinxia Demonstration Hospital",
             BEIBEI, "+86-23-00000113", hospital_id="hospital-3"),
    Pharmacy("pharmacy-retail-1", "渝安示范大药房", "Yu'an Demonstration Pharmacy",
             Site(YUZHONG.district, ("500103004", "两路口街道"), "示范路8号", "400014"),
             "+86-23-00000121", uscc="91500103MADM00019C"),
    Pharmacy("pharmacy-retail-2", "江畔示范大药房", "Riverside Demonstration Pharmacy",
             Site(JIANGBEI.district, ("500105007", "五里店街道"), "示范路9号", "400023"),
             "+86-23-00000122", uscc="91500105MADM000274"),
)  # fmt: skip


def hospital(id: str) -> Hospital:
    """The hospital of that id. Raises KeyError when there is none."""
    return {one.id: one for one in HOSPITALS}[id]


def pharmacy(id: str) -> Pharmacy:
    """The pharmacy of that id. Raises KeyError when there is none."""
    return {one.id: one for one in PHARMACIES}[id]


def hospital_resource(hospital: Hospital) -> Resource:
    """The hospital as an Organization of the guide's hospital profile."""
    return _organization(hospital) | {
        "meta": {"profile": [f"{CHONGQING}/StructureDefinition/hc-healthcare-organization"]},
        "extension": [*_site_extensions(hospital.site), *_hospital_extensions(hospital)],
        "identifier": [_credit_code(hospital.uscc), _licence(hospital)],
        "type": [concept(_legal_kind("121", "事业单位法人"), coding(*_PROVIDER), text=hospital.kind[1])],
    }


def pharmacy_resource(pharmacy: Pharmacy) -> Resource:
    """The pharmacy as an Organization; a hospital's own is part of the hospital."""
    level = coding(*(_DEPARTMENT if pharmacy.hospital_id else _PROVIDER))
    own = coding(ORGANIZATION_KIND, "hospital-pharmacy", "Hospital pharmacy")
    kind = own if pharmacy.hospital_id else coding(ORGANIZATION_KIND, "retail-pharmacy", "Retail pharmacy")
    resource = _organization(pharmacy) | {
        "extension": _site_extensions(pharmacy.site),
        "type": [
            concept(coding(f"{TERMINOLOGY}/v3-RoleCode", "PHARM", "Pharmacy"), kind, text="药房"),
            concept(level),
        ],
    }
    if pharmacy.uscc:
        resource["identifier"] = [_credit_code(pharmacy.uscc)]
    if pharmacy.hospital_id:
        resource["partOf"] = reference("Organization", pharmacy.hospital_id, hospital(pharmacy.hospital_id).name_zh)
    return resource


def address(site: Site) -> Element:
    """Where the site is, with its district spelled out so that a search by district finds it."""
    text = f"重庆市{site.district[1]}{site.street[1]}{site.line}"
    return {
        "use": "work",
        "type": "physical",
        "text": text,
        "line": [site.street[1] + site.line],
        "city": "重庆市",
        "district": site.district[1],
        "postalCode": site.postal_code,
        "country": "CN",
    }


_PROVIDER = (f"{TERMINOLOGY}/organization-type", "prov", "Healthcare Provider")
_DEPARTMENT = (f"{TERMINOLOGY}/organization-type", "dept", "Hospital Department")


def _organization(of: Hospital | Pharmacy) -> Resource:
    return {
        "resourceType": "Organization",
        "id": of.id,
        "active": True,
        "name": of.name_zh,
        "_name": in_english(of.name_en),
        "alias": [of.name_en],
        "telecom": [{"system": "phone", "value": of.phone, "use": "work"}],
        "address": [address(of.site)],
    }


def _site_extensions(site: Site) -> list[Element]:
    return [
        chongqing_extension(
            "hc-mdm-administrativedivision", chongqing_coding("cq-administrativedivision-code-system", *site.district)
        ),
        chongqing_extension("hc-mdm-streetdivision", chongqing_coding("cq-streetdivision-code-system", *site.street)),
        chongqing_extension("hc-mdm-operatingstatus", chongqing_coding("operatingstatus-code-system", "0", "开业")),
    ]


def _hospital_extensions(hospital: Hospital) -> list[Element]:
    values = {
        "hc-mdm-economicindustryclassification": (
            "nationaleconomicindustryclassification-code-system",
            ("110", "国有全资"),
        ),
        "hc-mdm-healthcareinstitutionstype": ("healthcareinstitutionstype-code-system", hospital.kind),
        "hc-mdm-hospitallevel": ("cn-hospitalleve-code-system", hospital.level),
        "hc-mdm-hospitalmanagementype": ("cn-hospitalnanagementtype-code-system", ("1", "非营利性医疗机构")),
    }
    return [chongqing_extension(name, chongqing_coding(system, *value)) for name, (system, value) in values.items()]


def _legal_kind(code: str, display: str) -> Element:
    return chongqing_coding("organizationtype-code-system", code, display)


def _credit_code(value: str) -> Element:
    kind = identifier_type("USCC", "统一社会信用代码")
    return {"use": "official", "type": kind, "system": CREDIT_CODE, "value": value}


def _licence(hospital: Hospital) -> Element:
    return {
        "use": "official",
        "type": identifier_type("MIPLRN", "医疗机构执业许可证登记号"),
        "system": INSTITUTION_LICENCE,
        "value": hospital.licence,
        "period": {"start": "2022-01-01", "end": "2036-12-31"},
    }
