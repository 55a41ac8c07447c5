"""Who walks through the visit, each in a window of their own, and what they do there, told as they would tell it."""

import re

from playwright.sync_api import Locator, expect

from tests.journeys import accessibility
from tests.journeys.browser import PATIENCE_MS, Window

LOUD_ENOUGH = 0.01
A_MOMENT, A_WHILE = 40, 200
"""How often to listen, 20 times a second; the fake microphone beeps about twice a second."""
A_NUMBER = re.compile(r"^\d+$")
FRAMES = 15
SOON = """(times) => times
  .map((time) => time.dateTime)
  .filter((begin) => Date.parse(begin) > Date.now() + 60_000)
  .sort((one, other) => Date.parse(one) - Date.parse(other))[0]"""
SEE = """async (video, [frames, patience]) => {
  const shown = () => (video.videoWidth > 0 ? video.getVideoPlaybackQuality().totalVideoFrames : 0)
  const end = performance.now() + patience
  const pause = () => new Promise((done) => setTimeout(done, 50))
  while (!shown() && performance.now() < end) await pause()
  const first = shown()
  while (shown() < first + frames && performance.now() < end) await pause()
  return shown() - first
}"""
HEAR = """async (video, [loudEnough, looks]) => {
  const context = new AudioContext()
  const ear = context.createAnalyser()
  context.createMediaStreamSource(video.srcObject).connect(ear)
  const wave = new Float32Array(ear.fftSize)
  let loudest = 0
  for (let look = 0; look < looks && loudest < loudEnough; look += 1) {
    await new Promise((done) => setTimeout(done, 50))
    ear.getFloatTimeDomainData(wave)
    loudest = Math.max(loudest, ...wave.map(Math.abs))
  }
  await context.close()
  return loudest
}"""


class Person:
    """Somebody with a window."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.page = window.page

    def signs_in(self, login: str, password: str) -> None:
        """From the first page through the sign-in page to the own desk."""
        self.page.goto(self.window.home)
        expect(self.window.at("sign-in")).to_be_visible()
        self.can_use_this_page()
        self.window.press("sign-in")
        expect(self.page.locator("#login")).to_be_visible()
        self.can_use_this_page()
        self.page.locator("#login").fill(login)
        self.page.locator("#password").fill(password)
        self.page.locator("[type=submit]").click()
        expect(self.window.at("me")).to_be_visible()

    def signs_out(self) -> None:
        """Leave the desk to the next person; what was just being read is let go."""
        with self.window.weathering_a_storm():
            with self.page.expect_navigation():
                self.window.press("sign-out")
            expect(self.window.at("sign-in")).to_be_visible()

    def can_use_this_page(self, picture: str = "") -> None:
        """Nothing on this page shuts anybody out, and nothing went wrong on the way to it."""
        if picture:
            self.window.picture(picture)
        wrong = [*self.window.complaints, *accessibility.faults(self.window)]
        assert not wrong, "\n".join(wrong)


class InTheRoom(Person):
    """What patient and doctor both do in the room."""

    def joins(self) -> None:
        """From the look at the own picture into the call."""
        self.window.press("join")
        expect(self.window.at("call")).to_have_attribute("data-state", "live")

    def sees_and_hears_the_other(self) -> None:
        """The other's picture moves and the other's microphone is heard."""
        other = self.window.at("remote-video")
        assert other.evaluate(SEE, [FRAMES, PATIENCE_MS]) >= FRAMES
        assert other.evaluate(HEAR, [LOUD_ENOUGH, A_WHILE]) >= LOUD_ENOUGH

    def mutes(self) -> None:
        """What is said in the room from now on is nobody's to hear."""
        self.window.press("mute")
        expect(self.window.at("mute")).to_have_attribute("aria-pressed", "true")

    def unmutes(self) -> None:
        """Speak again."""
        self.window.press("mute")
        expect(self.window.at("mute")).to_have_attribute("aria-pressed", "false")

    def hears_nothing(self) -> None:
        """The other is mute, once what was on its way has arrived."""
        self.page.wait_for_timeout(500)
        assert self.window.at("remote-video").evaluate(HEAR, [LOUD_ENOUGH, A_MOMENT]) < LOUD_ENOUGH

    def says(self, words: str) -> None:
        """Write to the other."""
        self.window.fill("chat-input", words)
        self.window.press("chat-send")

    def reads(self, words: str) -> None:
        """What was written is there, without a reload."""
        expect(self.window.at("chat-message").filter(has_text=words)).to_be_visible()


class PatientAtHome(InTheRoom):
    """The patient."""

    def finds_a_doctor(self, *, district: str, hospital: str, department: str) -> None:
        """By the place and the department, for a visit by video."""
        for choice, words in (("district", district), ("hospital", hospital), ("department", department)):
            self.window.at(choice).select_option(label=words)
        self.window.press("find")
        expect(self.window.at("time").first).to_be_visible()

    def holds_the_next_time(self) -> str:
        """Take the first free time that does not begin this very minute; returns the doctor's name."""
        begin = self.window.at("time").locator("time").evaluate_all(SOON)
        time = self.window.at("time").filter(has=self.page.locator(f"time[datetime='{begin}']")).first
        doctor = time.locator("xpath=ancestor::*[@role='group']").locator("strong").inner_text()
        time.click()
        expect(self.window.at("hold-countdown")).to_be_visible()
        return doctor

    def books_with_the_record_of(self, illness: str, comment: str) -> str:
        """Book the held time as a follow-up of this illness; returns the appointment's id."""
        self.window.at("prior-record").locator("label").filter(has_text=illness).click()
        self.window.fill("comment", comment)
        appointment = self.page.url.rsplit("/", 1)[1]
        self.window.press("confirm-booking")
        expect(self._visit(appointment)).to_be_visible()
        return appointment

    def turns_to_large_print(self, picture: str) -> None:
        """By the button that every page has, and then to the largest letters by the display settings."""
        self.window.press("elder")
        assert self._size_of_letters() >= accessibility.LARGE_PRINT_PX
        self.window.picture(picture)
        self.window.press("elder")
        self.window.press("display")
        self.can_use_this_page()
        self.page.locator("[name=size][value=largest]").check()
        assert self._size_of_letters() >= accessibility.LARGEST_PRINT_PX
        self.page.locator("[name=size][value=standard]").check()
        self.page.keyboard.press("Escape")

    def sees_the_visit(self, appointment: str, words: str) -> None:
        """Where the visit stands."""
        expect(self._visit(appointment).get_by_test_id("visit-status")).to_have_text(words)

    def checks_in(self, appointment: str) -> None:
        """Say "I am here", and see the place in the queue."""
        visit = self._visit(appointment)
        visit.get_by_test_id("check-in").click()
        expect(visit.get_by_test_id("queue-number")).to_have_text(A_NUMBER)
        expect(visit.get_by_test_id("queue-ahead")).to_be_visible()

    def is_called(self, by: str) -> None:
        """The page says so at once, wherever the patient is on it."""
        expect(self.window.at("called")).to_contain_text(by)

    def enters_the_room(self) -> None:
        """Follow the call, see the own picture first, then join."""
        self.window.press("called-enter")
        self.joins()

    def comes_back_after_a_reload(self) -> None:
        """The page is loaded anew in the middle of the call."""
        self.page.reload()
        self.joins()

    def goes_to_the_prescriptions(self) -> None:
        """From the ended visit."""
        expect(self.window.at("visit-over")).to_be_visible()
        self.window.press("to-prescriptions")

    def sees_the_order(self, order: str, words: str) -> None:
        """Where the order stands, without a reload."""
        expect(self._order(order).get_by_test_id("order-state")).to_have_text(words)

    def chooses(self, pharmacy: str, order: str) -> str:
        """Have the order sent to a pharmacy; returns the code to show there."""
        self._order(order).get_by_test_id("choose-pharmacy").click()
        self.window.press(f"pharmacy-{pharmacy}")
        self.can_use_this_page()
        self.window.press("confirm-pharmacy")
        code = self._order(order).get_by_test_id("pickup-code")
        expect(code).to_be_visible()
        return code.inner_text()

    def _size_of_letters(self) -> float:
        return float(self.page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)"))

    def _visit(self, appointment: str) -> Locator:
        return self.page.locator(f"[data-testid=visit][data-id='{appointment}']")

    def _order(self, order: str) -> Locator:
        return self.page.locator(f"[data-testid=order][data-id='{order}']")


class DoctorAtTheDesk(InTheRoom):
    """The doctor."""

    def calls_the_next_patient(self, appointment: str, *, named: str) -> None:
        """And sees that it is the one of this appointment."""
        expect(self._row(appointment)).to_contain_text(named)
        self.window.press("call-next")
        expect(self._row(appointment).get_by_test_id("enter-room")).to_be_visible()

    def enters_the_room(self, appointment: str) -> None:
        """From the row of the queue."""
        self._row(appointment).get_by_test_id("enter-room").click()
        self.joins()

    def reads_what_the_patient_wants_to_say(self, words: str) -> None:
        """What was written when the visit was booked."""
        expect(self.window.at("patient-comment")).to_contain_text(words)

    def confirms_the_follow_up(self, *, of: str) -> None:
        """After reading the earlier record."""
        expect(self.window.at("prior-document")).to_contain_text(of)
        self.window.press("follow-up-yes")
        expect(self.window.at("follow-up-judgement")).to_be_visible()

    def records_the_diagnosis(self, code: str) -> None:
        """Look it up by the earlier record's code, which stands there already."""
        self.window.press("diagnosis-search-go")
        self.window.press(f"record-{code}")
        expect(self.window.at("diagnosis").filter(has_text=code)).to_be_visible()

    def prescribes(self, medicine: str, *, days: int) -> None:
        """One tablet a day of it, for so many days."""
        written = self.window.at("draft-line").count()
        self.window.fill("medicine-search", medicine)
        self.window.press("medicine-search-go")
        self.window.at("medicine-search-found").locator("button").first.click()
        self.window.fill("dose", "1")
        self.window.at("dose-unit").select_option(label="片")
        self.window.fill("times", "1")
        self.window.fill("days", str(days))
        self.window.press("add-line")
        expect(self.window.at("draft-line")).to_have_count(written + 1)

    def reads_what_is_to_be_signed(self) -> None:
        """The whole prescription, as its bytes say it."""
        self.window.press("sign")
        expect(self.window.at("sign-dialog").get_by_test_id("line")).to_have_count(2)

    def signs(self, password: str) -> str:
        """With a key made in this browser, enrolled by the password; returns the order's id."""
        self.window.fill("signing-password", password)
        self.window.press("enrol-key")
        self.window.press("confirm-sign")
        order = self.window.at("sent-order")
        expect(order).to_be_visible()
        return order.get_attribute("data-id") or ""

    def sees_the_order(self, words: str) -> None:
        """Where the order stands, without a reload."""
        expect(self.window.at("sent-order").get_by_test_id("order-state")).to_have_text(words)

    def ends_the_visit(self) -> None:
        """For both."""
        self.window.press("end-visit")
        self.window.press("confirm-end")
        expect(self.window.at("visit-over")).to_be_visible()

    def _row(self, appointment: str) -> Locator:
        return self.page.locator(f"[data-testid=queue-row][data-id='{appointment}']")


class PharmacistAtTheDesk(Person):
    """A pharmacist of a hospital or of a pharmacy in town."""

    def opens(self, order: str, *, to: str) -> None:
        """Take the order out of the list of those to `review` or to hand out at the `desk`."""
        self.window.press(f"nav-{to}")
        row = self.page.locator(f"[data-testid=order-row][data-id='{order}']")
        expect(row).to_be_visible()
        self.can_use_this_page()
        row.get_by_test_id("open-order").click()
        expect(self.window.at("prescription").get_by_test_id("line")).to_have_count(2)

    def reads_the_allergies(self, words: str) -> None:
        """What the patient is allergic to, or that nothing is on record."""
        expect(self.window.at("rx-allergies")).to_have_text(words)

    def reads_the_strengths(self, *words: str) -> None:
        """How much one unit of each medicine holds, and whose prescription it is."""
        for word in words:
            expect(self.window.at("prescription")).to_contain_text(word)

    def approves(self) -> None:
        """The prescription may be dispensed; the list is shown again."""
        self.window.press("approve")
        expect(self.window.at("approve")).to_have_count(0)

    def claims_with(self, code: str) -> None:
        """The code is what the patient shows at the counter."""
        self.window.fill("claim-code", code)
        self.window.press("claim")
        expect(self.window.at("hand-out-amount")).to_have_count(2)

    def hands_out_everything(self) -> None:
        """Both medicines, in the amounts that are proposed."""
        self.window.press("dispense")
        expect(self.window.at("all-dispensed")).to_be_visible()

    def closes_the_order(self) -> None:
        """Nothing is left to do."""
        self.window.press("close-order")
        expect(self.window.at("closed")).to_be_visible()
