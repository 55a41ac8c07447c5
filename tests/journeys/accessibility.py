"""Whether everybody can use the page that a window shows: axe-core's rules, and the elder mode (适老版, A11Y-01)."""

from functools import cache
from pathlib import Path
from typing import Any

from tests.journeys.browser import Window

AXE = Path("web/node_modules/axe-core/axe.min.js")
GRAVE = {"serious", "critical"}
NARROW = {"width": 320, "height": 700}
LARGE_PRINT_PX = 18
LARGEST_PRINT_PX = 30
MAIN_TARGET_PX = 60
TARGET_PX = 44

MEASURE = """([largePrint, mainTarget, otherTarget]) => {
  const found = []
  const isSeen = (one) => {
    const box = one.getBoundingClientRect()
    return one.checkVisibility({ visibilityProperty: true }) && box.width > 1 && box.height > 1 && box.bottom > 0
  }
  const named = (one) => `<${one.localName} ${one.dataset.testid ?? one.id}> ${one.textContent.trim().slice(0, 30)}`
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (words.nextNode()) {
    const around = words.currentNode.parentElement
    if (!words.currentNode.data.trim() || !isSeen(around)) continue
    const size = parseFloat(getComputedStyle(around).fontSize)
    if (size < largePrint) found.push(`letters of ${size} px: ${named(around)}`)
  }
  const targets = 'a[href], button, select, textarea, summary, input:not([type=radio]), label:has([type=radio])'
  for (const one of document.querySelectorAll(targets)) {
    const box = one.getBoundingClientRect()
    const least = one.matches('a:not([class^=button-], nav a)') ? otherTarget : mainTarget
    if (isSeen(one) && (box.width < least || box.height < least))
      found.push(`target of ${Math.round(box.width)} x ${Math.round(box.height)} px: ${named(one)}`)
  }
  const over = document.documentElement.scrollWidth - innerWidth
  if (over > 0) found.push(`the page is ${over} px wider than the window`)
  return found
}"""


def faults(window: Window) -> list[str]:
    """What keeps anybody from using the page as it stands, in words."""
    return [*_broken_rules(window), *_faults_in_large_print(window)]


def _broken_rules(window: Window) -> list[str]:
    if not window.page.evaluate("typeof axe === 'object'"):
        window.page.evaluate(_axe())
    broken: list[dict[str, Any]] = window.page.evaluate(
        "axe.run(document, { resultTypes: ['violations'] }).then((found) => found.violations)"
    )
    return [
        f"{one['id']} ({one['impact']}): {one['help']}: {[node['html'] for node in one['nodes']]}"
        for one in broken
        if one["impact"] in GRAVE
    ]


def _faults_in_large_print(window: Window) -> list[str]:
    """Turn to the large-print version in a narrow window, measure, and turn back; the sign-in page is always so."""
    page = window.page
    usual = page.viewport_size
    assert usual
    page.set_viewport_size({"width": NARROW["width"], "height": NARROW["height"]})
    turn_large_print(window)
    found: list[str] = page.evaluate(MEASURE, [LARGE_PRINT_PX, MAIN_TARGET_PX, TARGET_PX])
    turn_large_print(window)
    page.set_viewport_size(usual)
    return found


def turn_large_print(window: Window) -> None:
    """Press the button of the large-print version; under an open dialog only the page itself can press it."""
    for button in window.at("elder").all():
        button.evaluate("(button) => button.click()")


@cache
def _axe() -> str:
    return AXE.read_text()
