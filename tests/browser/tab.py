"""A browser tab that remembers whatever goes wrong in it, and reads the page as a visitor sees it."""

from urllib.parse import parse_qs, urlsplit

from charts import curves

LAPTOP = {"width": 1280, "height": 720}
POLLING = 50  # ms; to look at every frame has the browser draw every frame
PATIENCE = 30_000  # ms; only a failing test ever waits that long
LOCAL = {"127.0.0.1", ""}  # data: and blob: addresses have no host


def address(server, url, query=""):
    """A lesson's link, as the page itself gives it."""
    return f"{server}/?{'&'.join(part for part in (url and f'lesson={url}', query) if part)}"


DRAWN = """() => {
    const waiting = document.querySelector('[data-testid=stSkeleton]');  // Streamlit fills these in any order
    const figures = [...document.querySelectorAll('.js-plotly-plot')];
    return !waiting && figures.length > 0 && figures.every(
        f => f.data?.length && f.querySelector('.main-svg .xtick, .main-svg .xtitle'));
}"""
IDLE = """() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'
    && document.querySelector('h2') !== null"""
# of every visible piece of text with a selector, the one that stands out least from what is painted behind it
LEAST_CONTRAST = """selector => {
    const numbers = colour => (colour.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
    const rgba = colour => numbers(colour).concat(1).slice(0, 4);
    const over = (top, below) => [0, 1, 2].map(k => top[3] * top[k] + (1 - top[3]) * below[k]).concat(1);
    const behind = e => {
        const own = rgba(getComputedStyle(e).backgroundColor);
        if (own[3] === 1) return own;
        return over(own, e.parentElement ? behind(e.parentElement) : [255, 255, 255, 1]);
    };
    const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => .2126 * linear(r / 255) + .7152 * linear(g / 255) + .0722 * linear(b / 255);
    let worst = [Infinity, ''];
    for (const e of document.querySelectorAll(selector)) {
        if (!e.textContent.trim() || !e.getClientRects().length) continue;
        const style = getComputedStyle(e), ink = rgba(e instanceof SVGElement ? style.fill : style.color);
        const ground = behind(e instanceof SVGElement ? e.closest('.js-plotly-plot') : e);
        ink[3] *= Number(style.opacity);
        const [a, b] = [light(over(ink, ground)), light(ground)].sort((x, y) => y - x);
        const contrast = (a + .05) / (b + .05);
        if (contrast < worst[0]) worst = [contrast, e.textContent];
    }
    return worst;
}"""
FOCUSED = """() => {
    const e = document.activeElement, key = e.closest('[class*=st-key-]')?.className.match(/st-key-([\\w-]+)/)?.[1];
    return [key, ...(e.innerText || '').split(/\\s+/)].filter(Boolean);
}"""
SIDEWAYS = """() => [document.documentElement, document.querySelector('[data-testid=stMain]')]
    .filter(e => e.scrollWidth > e.clientWidth).map(e => `${e.tagName} ${e.scrollWidth} > ${e.clientWidth}`)"""


class Tab:
    """One visitor: `page` is Playwright's, `problems` are console errors, page errors, failed and foreign requests."""

    def __init__(self, context, viewport):
        self.page = context.new_page()
        self.page.set_viewport_size(viewport)
        self.page.set_default_timeout(PATIENCE)
        self.problems = []
        self.page.on("console", lambda m: self.problems.append(f"console: {m.text}") if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        self.page.on("requestfailed", self.request_failed)
        self.page.on("response", self.response_came)
        self.page.on("request", self.request_sent)
        self.page.on("websocket", self.request_sent)
        self.page.on("dialog", self.dialog_opened)

    def request_sent(self, request):
        if urlsplit(request.url).hostname not in {*LOCAL, None}:
            self.problems.append(f"request to another host: {request.url}")

    def request_failed(self, request):
        self.problems.append(f"failed: {request.url} {request.failure}")

    def response_came(self, response):
        if response.status >= 400:
            self.problems.append(f"{response.status}: {response.url}")

    def dialog_opened(self, dialog):
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def open(self, url):
        self.page.goto(url)
        return self

    def idle(self):
        """The tab, once the server has finished."""
        self.page.wait_for_function(IDLE, polling=POLLING)
        return self

    def settled(self):
        """The tab, once the server has finished and every figure is drawn."""
        self.idle()
        self.page.wait_for_function(DRAWN, polling=POLLING)
        return self

    @property
    def curves(self):
        """Cell → log10 of the median, as the first figure holds it now."""
        return {name: y.tolist() for name, (_, y) in curves(self.first_figure("figure.data")).items()}

    def first_figure(self, expression):
        return self.page.evaluate(
            f"() => {{ const figure = document.querySelector('.js-plotly-plot'); return {expression} }}"
        )

    def wait_for_other_curves(self, before):
        """Waits until the first figure holds something else than it held before."""
        self.page.wait_for_function(
            "before => JSON.stringify(document.querySelector('.js-plotly-plot')?.data) !== before", arg=before
        )
        return self.settled()

    @property
    def raw(self):
        return self.first_figure("JSON.stringify(figure.data)")

    @property
    def heading(self):
        return self.page.get_by_role("heading", level=2).first.inner_text()

    @property
    def text(self):
        return self.page.locator("[data-testid=stApp]").inner_text()

    @property
    def query(self):
        return parse_qs(urlsplit(self.page.url).query)

    @property
    def strip(self):
        """The characters of the first row of the strip."""
        return (
            self.page.locator(".strip .row")
            .first.locator("i")
            .evaluate_all("all => all.map(i => i.textContent).join('')")
        )

    def chosen(self, key):
        """The words on the buttons of a control that are switched on."""
        on = f".st-key-{key} :is([aria-pressed=true], [aria-checked=true], [kind=pillsActive])"
        return self.page.locator(on).all_inner_texts()

    def type(self, key, text):
        box = self.page.locator(f".st-key-{key} input")
        box.fill(text)
        box.press("Enter")

    def sideways(self):
        """What scrolls sideways: nothing, if all is well."""
        return self.page.evaluate(SIDEWAYS)

    def least_contrast(self, selector):
        return self.page.evaluate(LEAST_CONTRAST, selector)

    def focused(self):
        """The key of the control that has the focus, and its words."""
        return self.page.evaluate(FOCUSED)

    @property
    def strip_attributes(self):
        """The names of all attributes that any character of the strip has."""
        names = self.page.locator(".strip i").evaluate_all("all => all.flatMap(i => i.getAttributeNames())")
        return set(names)

    def slider(self, label):
        return self.page.get_by_role("slider", name=label)
