"""What the clinic writes to a patient about a booking: Chinese first, English second, the hospital's own time."""

from datetime import datetime

from kernel.clock import local
from services.consult.encounter import Visit

DAYS = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
KIND = {Visit.VIDEO: ("视频复诊", "video visit"), Visit.IN_PERSON: ("到院就诊", "visit in the clinic")}


def booked(start: datetime, *, doctor: str, clinic: str, visit: Visit) -> tuple[str, str]:
    """That a visit is booked, in both languages."""
    chinese, english = KIND[visit]
    who = " ".join(part for part in (clinic, doctor) if part)
    return (f"预约成功：{_chinese(start)}，{who}，{chinese}。", f"Booked: {_english(start)}, {who}, {english}.")


def cancelled(start: datetime, *, doctor: str, clinic: str) -> tuple[str, str]:
    """That a booked visit will not take place, in both languages."""
    who = " ".join(part for part in (clinic, doctor) if part)
    return (f"预约已取消：{_chinese(start)}，{who}。", f"Cancelled: {_english(start)}, {who}.")


def _chinese(at: datetime) -> str:
    here = local(at)
    return f"{here.month}月{here.day}日（{DAYS[here.weekday()]}）{here:%H:%M}"


def _english(at: datetime) -> str:
    here = local(at)
    return f"{WEEKDAYS[here.weekday()]} {here.day} {MONTHS[here.month - 1]} {here.year}, {here:%H:%M}"
