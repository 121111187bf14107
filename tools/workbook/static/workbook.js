// The page's script: it asks the workbook to play scenes and to run labs, and paints what it is told. What came from a
// program or a peer becomes text nodes and never markup.

const base = document.body.dataset.base
const byId = id => document.getElementById(id)

function el(name, attributes = {}, ...children) {
  const e = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) e.addEventListener(key.slice(2), value)
    else if (value === true) e.setAttribute(key, "")
    else if (value !== false && value != null) e.setAttribute(key, value)
  }
  e.append(...children.filter(c => c != null))
  return e
}

function svg(name, attributes = {}, text) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name)
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value)
  if (text != null) e.textContent = text
  return e
}

const say = text => { byId("status").textContent = text }
const ms = us => (us / 1000).toFixed(us < 100000 ? 1 : 0)

// A page has a random name, under which it can be loaded anew in the middle of a scene.
let tab = sessionStorage.getItem("tab")
if (!/^[0-9a-f]{32}$/.test(tab)) {
  tab = [...crypto.getRandomValues(new Uint8Array(16))].map(b => b.toString(16).padStart(2, "0")).join("")
  sessionStorage.setItem("tab", tab)
}

async function post(path, data) {
  try {
    const answer = await fetch(base + path, { method: "POST", body: new URLSearchParams({ tab, ...data }) })
    return answer.ok ? "" : answer.headers.get("Problem") || "The workbook refused it: " + answer.status
  } catch {
    lost()
    return "The workbook did not answer."
  }
}

// ---- The picture of one recording. The server has laid it out; here rows get their places in pixels. ----

const column = 7.25 // pixels of a character
const line = 16
const leastRow = 24
const barWidth = 16
const colours = 6

const isWide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}]/u
const columnsOf = s => { let n = 0; for (const c of s) n += isWide.test(c) ? 2 : 1; return n }

function cut(s, room) {
  if (columnsOf(s) <= room) return s
  let out = "", n = 1
  for (const c of s) {
    n += isWide.test(c) ? 2 : 1
    if (n > room) break
    out += c
  }
  return out + "…"
}

function wrap(s, room) {
  const lines = []
  let now = ""
  for (const word of s.split(" ")) {
    if (now && columnsOf(now) + 1 + columnsOf(word) > room) { lines.push(now); now = word } else now += (now ? " " : "") + word
  }
  lines.push(now)
  return lines.map(l => cut(l, room))
}

function cellLines(c, room) {
  const quoted = c.data == null ? "" : ` "${c.data}"`
  const label = c.label ? "  " + c.label : ""
  let lines
  if (columnsOf(c.words + quoted + label) <= room) lines = [c.words + quoted + label]
  else if (c.data != null && room - columnsOf(c.words + label) > 9) lines = [`${c.words} "${cut(c.data, room - columnsOf(c.words + label) - 3)}"${label}`]
  else if (c.data != null) lines = [cut(c.words + quoted, room), ...(c.label ? wrap(c.label, room) : [])]
  else lines = wrap(c.words + label, room)
  for (const b of c.bytes || []) {
    if (b.unread) lines.push(b.from > 0 ? `× ${b.to - b.from} never read` : "× never read")
  }
  return lines
}

class Picture {
  constructor(scene) {
    this.scene = scene
    this.rows = []
    this.lanes = []
    this.limit = Infinity // rows that are shown, while it is replayed
    this.selected = -1
    this.margin = 60 // pixels; more while the reader scrolls, so that not every frame needs painting
    this.painted = [0, 0]
    this.caption = el("figcaption")
    this.heads = el("div", { class: "lanes", "aria-hidden": "true" })
    this.svg = svg("svg", { "aria-hidden": "true" })
    this.view = el("div", {
      class: "view", tabindex: "0", role: "group",
      onscroll: () => this.scrolled(), onkeydown: e => this.key(e), onmousemove: e => this.hover(e), onfocus: () => this.select(Math.max(0, this.selected)),
    }, this.svg)
    this.bytes = el("div", { class: "bytes" }, el("p", { class: "facts" }, "Point at a row, or press the up and down keys in the timeline: its bytes are shown here."))
    this.verdicts = el("div")
    this.table = el("details", { ontoggle: () => this.fillTable() }, el("summary", {}, "Table of the same events"))
    this.figure = el("figure", {}, this.caption, this.heads, this.view, this.bytes, this.verdicts, this.table)
    new ResizeObserver(() => this.change()).observe(this.view)
  }

  // told takes what has changed.
  told(t) {
    this.rows.length = Math.min(this.rows.length, t.total)
    t.at.forEach((at, i) => { this.rows[at] = t.changed[i] })
    this.lanes = t.lanes
    this.events = t.events
    this.caption.textContent = t.title
    this.view.setAttribute("aria-label", `Timeline of ${t.title}: ${t.lanes.join(", ")}. Up and down go from row to row.`)
    this.verdicts.replaceChildren(...(t.unread ? [el("p", { class: "facts" }, "× " + t.unread)] : []), ...(t.verdicts || []).map(v => el("p", { class: "verdict" }, "⇒ " + v)))
    this.change()
    if (this.table.open && !this.filling) this.filling = setTimeout(() => { this.filling = 0; this.fillTable() }, 400)
  }

  // change lays out and paints before the next frame.
  change() {
    this.stale = true
    this.paintSoon()
  }

  paintSoon() {
    if (this.frame) return
    this.frame = requestAnimationFrame(() => {
      this.frame = 0
      if (this.stale) this.layOut()
      this.stale = false
      if (this.scene.follow) this.toEnd()
      this.paint()
      this.margin = 60
    })
  }

  layOut() {
    const width = Math.max(this.view.clientWidth, 200)
    const n = this.lanes.length
    const clock = 58
    this.beside = n === 2 && width >= 640 // texts on both sides of the lanes; otherwise all to the right of them
    if (this.beside) {
      const ribbons = Math.min(180, width / 5), room = (width - clock - ribbons - 2 * barWidth - 24) / 2
      this.room = Math.floor(room / column)
      this.x = [clock + room + barWidth / 2 + 8, clock + room + barWidth / 2 + 8 + barWidth + ribbons]
      this.textX = [this.x[0] - barWidth / 2 - 8, this.x[1] + barWidth / 2 + 8]
      this.textEnd = [true, false]
    } else {
      const step = n > 3 ? 34 : 46
      this.x = this.lanes.map((_, i) => clock + 14 + i * step)
      const at = clock + 14 + (n - 1) * step + barWidth / 2 + 10
      this.room = Math.max(12, Math.floor((width - at - 6) / column))
      this.textX = this.lanes.map(() => at)
      this.textEnd = this.lanes.map(() => false)
    }
    this.width = width
    this.measure()
    this.place()
    this.paintHeads()
  }

  // measure finds out where reads cut the sends, and how high the pieces are.
  measure() {
    let most = 1
    const sends = this.sends = new Map()
    for (const r of this.rows) for (const c of r.cells) {
      if (c.bytes) most = Math.max(most, c.n || 0)
      if (c.op === "send" && c.bytes) sends.set(c.bytes[0].send, { lane: c.lane, cuts: [0, c.bytes[0].of, ...c.bytes.flatMap(b => [b.from, b.to])], cell: c })
    }
    for (const r of this.rows) for (const c of r.cells) {
      if (c.op === "send") continue
      for (const b of c.bytes || []) if (b.sure && sends.has(b.send)) sends.get(b.send).cuts.push(b.from, b.to)
    }
    const per = Math.min(3, 84 / most)
    this.high = n => Math.max(12, n * per)
    for (const s of sends.values()) {
      s.cuts = [...new Set(s.cuts)].sort((a, b) => a - b)
      if (s.cuts.length === 1) s.cuts = [0, 0]
      s.heights = s.cuts.slice(1).map((to, i) => this.high(to - s.cuts[i]))
      s.height = s.heights.reduce((a, b) => a + b, 0)
    }
  }

  between(s, from, to) {
    let top = 0, height = 0
    s.heights.forEach((h, i) => {
      if (s.cuts[i + 1] <= from && to > from) top += h
      else if (s.cuts[i] < to || to === from) height += h
    })
    return [top, height]
  }

  barHeight(c) {
    if (!c.bytes) return 0
    if (c.op === "send") return this.sends.get(c.bytes[0].send).height
    return c.bytes.reduce((sum, b) => sum + (b.sure && this.sends.has(b.send) ? this.between(this.sends.get(b.send), b.from, b.to)[1] : this.high(b.to - b.from)), 0)
  }

  // place gives rows and what joins them their places.
  place() {
    let longest = 0
    this.rows.forEach((r, i) => { if (i) longest = Math.max(longest, r.us - this.rows[i - 1].us) })
    const scale = this.scene.axis && longest > 0 ? 240 / longest : 0
    let y = 8, last = null
    const joins = this.joins = []
    const dials = new Map(), closes = new Map(), waits = new Map()
    this.rows.forEach((r, i) => {
      if (last) y = Math.max(y, last.y + (r.us - last.us) * scale)
      r.y = y
      let at = y, tallest = leastRow
      for (const c of r.cells) {
        c.y = this.beside ? y : at
        const room = c.lane < 0 ? Math.floor((this.width - 80) / column) : this.room
        const who = this.beside || c.lane < 0 ? "" : cut(this.lanes[c.lane], 10) + ": "
        if (c.room !== room + who) { // otherwise it is as before: rows are many
          c.room = room + who
          c.lines = c.lane < 0 ? wrap("· " + c.words, room) : cellLines({ ...c, words: who + c.words }, room)
        }
        c.bar = this.barHeight(c)
        const height = Math.max(leastRow, c.lines.length * line + 6, c.bar + 8)
        at += height
        tallest = Math.max(tallest, this.beside ? height : at - y)
        if (c.lane < 0) continue
        const x = this.x[c.lane], mid = c.y + 11
        if (c.op === "send" && c.bytes) this.sends.get(c.bytes[0].send).y = c.y + 4
        else if (c.bytes) {
          let top = c.y + 4
          for (const b of c.bytes) {
            const s = b.sure && this.sends.get(b.send)
            const [below, h] = s ? this.between(s, b.from, b.to) : [0, this.high(b.to - b.from)]
            if (s && s.y != null) joins.push({ kind: "ribbon", row: i, x1: this.x[s.lane], y1: s.y + below, x2: x, y2: top, h, send: b.send })
            top += h
          }
        }
        if (c.tone === "waiting" || c.op === "send" && !c.to) waits.set(c.seq, { kind: "wait", row: i, x1: x, y1: mid, x2: x, y2: null })
        else if (waits.has(c.seq)) waits.get(c.seq).y2 = mid
        const here = { x, y: mid }
        const join = (from, to) => joins.push({ kind: "arrow", row: i, x1: from.x, y1: from.y, x2: to.x, y2: to.y })
        if (c.op === "dial" && c.conn) dials.set(c.conn, here)
        else if ((c.op === "close" || c.op === "close-write") && c.conn) closes.set(c.conn + "\n" + c.lane, here)
        else if (c.op === "accept" && c.tone !== "waiting" && dials.has(c.conn)) join(dials.get(c.conn), here)
        else if ((c.op === "eof" || c.op === "reset") && c.tone !== "waiting") {
          for (const [key, from] of closes) {
            const [conn, lane] = key.split("\n")
            if (conn === c.conn && lane != c.lane) { closes.delete(key); join(from, here) }
          }
        }
      }
      if (r.folded) { r.foldY = y + tallest; tallest += 20 }
      r.h = tallest
      y += tallest
      last = r
    })
    this.bottom = y + 8
    for (const w of waits.values()) { w.y2 ??= this.bottom; joins.push(w) }
    this.svg.setAttribute("width", this.width)
    this.svg.setAttribute("height", this.bottom)
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.bottom}`)
  }

  paintHeads() {
    const s = svg("svg", { width: this.width, height: 20, viewBox: `0 0 ${this.width} 20` })
    this.lanes.forEach((name, i) => {
      if (this.beside) s.append(svg("text", { x: this.textX[i], y: 14, "text-anchor": this.textEnd[i] ? "end" : "start" }, cut(name, this.room)))
    })
    if (!this.beside) s.append(svg("text", { x: 58, y: 14 }, cut(this.lanes.join(" | "), Math.floor((this.width - 60) / column))))
    this.heads.replaceChildren(s)
  }

  shown() { return Math.min(this.limit, this.rows.length) }

  // paint draws what is in sight, and a margin.
  paint() {
    const top = this.whole ? 0 : this.view.scrollTop - this.margin
    const bottom = this.whole ? Infinity : this.view.scrollTop + this.view.clientHeight + this.margin
    this.painted = [top, bottom]
    const n = this.shown(), rows = this.rows
    let from = 0, to = n
    while (from < to) { const m = (from + to) >> 1; if (rows[m].y + rows[m].h < top) from = m + 1; else to = m }
    const under = svg("g"), over = svg("g"), end = n < rows.length ? (n ? rows[n - 1].y + rows[n - 1].h : 0) : this.bottom
    for (const x of this.x || []) under.append(svg("line", { class: "lane", x1: x, x2: x, y1: Math.max(0, top), y2: Math.min(end, bottom) }))
    for (const j of this.joins || []) {
      if (j.row >= n || Math.max(j.y1, j.y2) + (j.h || 0) < top || Math.min(j.y1, j.y2) > bottom) continue
      if (j.kind === "wait") under.append(svg("rect", { class: "wait", x: j.x1 - 3.5, y: j.y1, width: 7, height: Math.max(0, Math.min(j.y2, end) - j.y1) }))
      else if (j.kind === "arrow") this.arrow(under, j)
      else this.ribbon(under, j)
    }
    for (let i = from; i < n && rows[i].y < bottom; i++) this.paintRow(under, over, rows[i], i)
    this.svg.replaceChildren(under, over)
  }

  arrow(g, j) {
    const side = j.x2 < j.x1 ? -1 : 1
    g.append(svg("path", { class: "arrow", d: `M${j.x1 + side * 6} ${j.y1} L${j.x2 - side * 6} ${j.y2}` }), svg("path", { class: "tip", d: `M${j.x2 - side * 6} ${j.y2} l${-side * 8} -4 v8 z` }))
  }

  ribbon(g, j) {
    const side = j.x2 < j.x1 ? -1 : 1, a = j.x1 + side * barWidth / 2, b = j.x2 - side * barWidth / 2, m = (a + b) / 2
    g.append(svg("path", { class: `ribbon c${j.send % colours}`, d: `M${a} ${j.y1} C${m} ${j.y1} ${m} ${j.y2} ${b} ${j.y2} v${j.h} C${m} ${j.y2 + j.h} ${m} ${j.y1 + j.h} ${a} ${j.y1 + j.h} z` }))
  }

  paintRow(under, over, r, i) {
    if (i === this.selected) under.prepend(svg("rect", { class: "selected", x: 0, y: r.y - 2, width: this.width, height: r.h }))
    over.append(svg("text", { class: "end dim", x: 50, y: r.y + 15 }, ms(r.us)))
    if (r.cells.length === 2 && !r.cells[0].bytes) {
      const [a, b] = r.cells
      this.arrow(under, { x1: this.x[a.lane], y1: a.y + 11, x2: this.x[b.lane], y2: b.y + 11 })
    }
    for (const c of r.cells) {
      const remark = c.lane < 0
      const x = remark ? 66 : this.textX[c.lane], end = !remark && this.textEnd[c.lane] ? "end " : ""
      if (remark) under.append(svg("line", { class: "rule", x1: 56, x2: this.width - 8, y1: r.y + 1, y2: r.y + 1 }))
      c.lines.forEach((text, k) => over.append(svg("text", { class: end + (text.startsWith("× ") ? "dim" : c.tone || ""), x, y: c.y + 15 + k * line }, text)))
      if (c.bytes) this.bar(over, c)
      else if (!remark) over.append(svg("circle", { class: "tip", cx: this.x[c.lane], cy: c.y + 11, r: 3 }))
    }
    if (r.folded) over.append(svg("text", { class: "dim", x: 66, y: r.foldY + 13 }, "⋮ " + r.folded))
  }

  // bar draws the bytes of a send or a read: a tick at a boundary that was kept, a gap at one that was lost.
  bar(g, c) {
    const x = this.x[c.lane]
    let y = c.y + 4
    const tick = at => g.append(svg("line", { class: "tick", x1: x - barWidth / 2 - 4, x2: x + barWidth / 2 + 4, y1: at, y2: at }))
    const piece = (b, top, h, colour) => {
      g.append(svg("rect", { class: colour, x: x - barWidth / 2, y: top, width: barWidth, height: Math.max(h, 2) }))
      const name = b.name.replace(/\[.*/, "")
      if (b.sure && name.length < 3 && h >= 12) g.append(svg("text", { class: "letter" + ([1, 3, 4].includes(b.send % colours) ? " dark" : ""), x, y: top + h / 2 + 3.5 }, name))
    }
    if (c.op === "send") {
      const s = this.sends.get(c.bytes[0].send)
      piece(c.bytes[0], y, s.height, `c${c.bytes[0].send % colours}`)
      for (const b of c.bytes) {
        if (!b.unread) continue
        const [top, h] = this.between(s, b.from, b.to)
        g.append(svg("rect", { class: "hatch", x: x - barWidth / 2, y: y + top, width: barWidth, height: Math.max(h, 2) }))
        const cross = x + (c.peer >= 0 && c.peer < c.lane ? -1 : 1) * (barWidth / 2 + 7)
        g.append(svg("path", { class: "cross", d: `M${cross - 4} ${y + top + h / 2 - 4} l8 8 m0 -8 l-8 8` }))
      }
      return
    }
    c.bytes.forEach((b, i) => {
      const s = b.sure && this.sends.get(b.send)
      const h = s ? this.between(s, b.from, b.to)[1] : this.high(b.to - b.from)
      piece(b, y, h, b.sure ? `c${b.send % colours}` : "unsure")
      if (i > 0) g.append(svg("rect", { fill: "Canvas", x: x - barWidth / 2, y: y - 2, width: barWidth, height: 4 }))
      else if (b.from === 0) tick(y)
      y += h
      if (i === c.bytes.length - 1 && b.to === b.of) tick(y)
    })
  }

  toEnd() {
    const n = this.shown()
    const at = n ? this.rows[n - 1].y + this.rows[n - 1].h + 8 - this.view.clientHeight : 0
    this.moved = Math.max(0, at)
    this.view.scrollTop = this.moved
  }

  // scrolled follows no longer once the reader has scrolled away from the end, and again when he has come back to it.
  scrolled() {
    if (this.moved !== undefined && Math.abs(this.view.scrollTop - this.moved) < 2) this.moved = undefined
    else {
      const atEnd = this.view.scrollTop + this.view.clientHeight >= this.bottom - 4
      this.scene.setFollow(atEnd)
    }
    const top = this.view.scrollTop, [from, to] = this.painted
    if (from <= top && top + this.view.clientHeight <= to) return
    this.margin = 800
    this.paintSoon()
  }

  key(e) {
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -1e9, End: 1e9 }[e.key]
    if (!by || e.ctrlKey || e.altKey || e.metaKey) return
    e.preventDefault()
    this.select(Math.max(0, Math.min(this.shown() - 1, this.selected + by)), true)
  }

  hover(e) {
    const y = e.clientY - this.view.getBoundingClientRect().top + this.view.scrollTop
    const i = this.rows.findIndex((r, i) => i < this.shown() && r.y <= y && y < r.y + r.h)
    if (i >= 0 && i !== this.selected) this.select(i)
  }

  select(i, scroll) {
    const r = this.rows[i]
    if (!r || i >= this.shown()) return
    this.selected = i
    if (scroll && r.y != null) {
      this.scene.setFollow(false)
      if (r.y < this.view.scrollTop) this.view.scrollTop = r.y - 4
      else if (r.y + r.h > this.view.scrollTop + this.view.clientHeight) this.view.scrollTop = r.y + r.h + 4 - this.view.clientHeight
    }
    this.bytes.replaceChildren(...r.cells.map(c => this.describe(c)))
    this.paintSoon()
  }

  // describe shows a call: its bytes in hex and as text, and which read took them.
  describe(c) {
    const box = el("div")
    if (c.lane < 0) { box.append(el("p", {}, c.words)); return box }
    const lane = this.lanes[c.lane]
    const time = c.to ? `${ms(c.from)} to ${ms(c.to)} ms` : `since ${ms(c.from)} ms, and still blocked`
    box.append(el("p", {}, `${lane}: ${c.words}${c.conn ? ", " + c.conn : ""}, ${time}`))
    if (c.op === "send" && c.bytes) {
      const reads = []
      for (const r of this.rows.slice(0, this.shown())) for (const o of r.cells) {
        if (o.op === "send") continue
        for (const b of o.bytes || []) if (b.send === c.bytes[0].send) reads.push(`${this.lanes[o.lane]} ${o.words} took ${b.name}`)
      }
      const unread = c.bytes.filter(b => b.unread).map(b => `${b.name}${b.from ? `, ${b.to - b.from} bytes,` : ""} was never read`)
      const said = [...reads.slice(0, 6), ...(reads.length > 6 ? [`${reads.length - 6} more`] : []), ...unread]
      if (said.length) box.append(el("p", {}, said.join("; ")))
    } else if (c.bytes) box.append(el("p", {}, "It took " + c.bytes.map(b => `${b.name} (${b.to - b.from} of ${b.of} bytes)`).join(" + ")))
    if (c.raw) {
      box.append(hex(Uint8Array.from(atob(c.raw), ch => ch.charCodeAt(0)), c))
      const kept = atob(c.raw).length
      if (c.n > kept) box.append(el("p", {}, `These are the first ${kept} of ${c.n} bytes.`))
    }
    return box
  }

  async fillTable() {
    if (!this.table.open || !this.scene.run) return
    const most = 2000
    const box = el("div", { class: "wide", tabindex: "0", role: "group", "aria-label": "Table of events" })
    let takes
    try { takes = await (await fetch(`${base}/runs/${this.scene.run}/events`)).json() } catch { lost(); return }
    const events = takes[this.scene.pictures.indexOf(this)] || []
    const row = (name, values) => el("tr", {}, ...values.map(v => el(name, name === "th" ? { scope: "col" } : {}, String(v))))
    box.append(el("table", {}, el("thead", {}, row("th", ["#", "begin, ms", "return, ms", "side", "connection", "call", "bytes", "what"])),
      el("tbody", {}, ...events.slice(0, most).map(e => row("td", [e.seq, (e.us / 1000).toFixed(3), e.end ? (e.end / 1000).toFixed(3) : "blocks", e.side, e.conn, e.op, e.n || "", [e.text, e.err].filter(Boolean).join(" ")])))))
    if (events.length > most) box.append(el("p", {}, `${events.length - most} more events are not listed.`))
    this.table.replaceChildren(this.table.firstElementChild, box)
  }
}

// hex writes bytes as numbers and as text; each is underlined in the colour of the send that it comes from.
function hex(data, c) {
  const colourAt = []
  for (const b of c.bytes || []) for (let i = b.from; i < b.to && colourAt.length < data.length; i++) colourAt.push(b.sure ? `c${b.send % colours}` : "unsure")
  const box = el("div", { class: "hex", tabindex: "0", role: "group", "aria-label": "bytes in hex and as text" })
  for (let at = 0; at < data.length; at += 16) {
    const part = data.slice(at, at + 16)
    box.append(at.toString(16).padStart(4, "0") + "  ")
    part.forEach((b, i) => {
      const text = b.toString(16).padStart(2, "0")
      box.append(colourAt[at + i] ? el("span", { class: "mark " + colourAt[at + i] }, text) : text, i === 7 ? "  " : " ")
    })
    box.append(" ".repeat((16 - part.length) * 3 + (part.length < 8 ? 1 : 0) + 1), [...part].map(b => b >= 32 && b < 127 ? String.fromCharCode(b) : "·").join("") + "\n")
  }
  return box
}

// ---- A scene in the page ----

class Scene {
  constructor(section) {
    this.section = section
    this.pictures = []
    this.follow = true
    this.axis = false
    this.form = section.querySelector("form.play")
    this.button = this.form.querySelector("button")
    this.form.addEventListener("submit", e => { e.preventDefault(); this.play() })
  }

  async play() {
    if (this.waiting) return
    current = this
    this.waiting = true
    this.button.disabled = true
    open()
    const problem = await post("/play", { lesson: this.section.dataset.lesson, scene: this.section.dataset.scene })
    this.waiting = false
    this.button.disabled = false
    if (problem) { this.build(); this.trouble.textContent = problem; this.trouble.hidden = false; say(problem) }
  }

  // build makes what a scene needs that has been played.
  build() {
    if (this.takes) return
    this.section.classList.add("open")
    const speed = el("select", {}, ...[0.1, 0.25, 0.5, 1, 2, 5, 10].map(v => el("option", { value: v, selected: v === 1 }, "×" + v)))
    this.speed = speed
    this.replayButton = el("button", { type: "button", onclick: () => this.replay() }, "Replay")
    this.stopButton = el("button", { type: "button", onclick: () => post("/stop", { run: this.run }) }, "Stop")
    this.followBox = el("input", { type: "checkbox", checked: true, onchange: e => { this.follow = e.target.checked; this.each(p => p.change()) } })
    const axisBox = el("input", { type: "checkbox", onchange: e => { this.axis = e.target.checked; this.each(p => p.change()) } })
    this.controls = el("div", { class: "controls" }, this.stopButton, this.replayButton,
      el("button", { type: "button", onclick: () => this.step(-1) }, "◀ step"), el("button", { type: "button", onclick: () => this.step(1) }, "step ▶"),
      el("label", {}, "speed ", speed), el("label", {}, axisBox, "time axis"), el("label", {}, this.followBox, "follow"))
    this.trouble = el("pre", { class: "trouble", tabindex: "0", hidden: true })
    this.takes = el("div", { class: "takes" })
    this.building = el("p", { class: "facts", hidden: true })
    this.section.append(this.controls, this.building, this.trouble, this.takes)
  }

  each(f) { this.pictures.forEach(f) }

  setFollow(on) {
    this.follow = on
    if (this.followBox) this.followBox.checked = on
  }

  // told takes a message about the newest run of this scene.
  told(m, fresh) {
    if (this.run && Number(m.id) < Number(this.run)) return
    this.build()
    if (fresh || m.id !== this.run) {
      this.run = m.id
      this.section.dataset.run = m.id
      this.opened = this.pictures.map(p => p.table.open)
      this.pictures = []
      this.takes.replaceChildren()
      this.setFollow(true)
      this.pause()
      this.finished = false
    }
    m.takes.forEach((t, i) => {
      if (!this.pictures[i]) {
        this.pictures[i] = new Picture(this)
        this.pictures[i].table.open = this.opened[i] || false
        this.takes.append(this.pictures[i].figure)
        this.takes.classList.toggle("two", i > 0)
      }
      this.pictures[i].told(t)
    })
    this.phase = m.phase
    const going = m.phase === "building" || m.phase === "playing"
    this.stopButton.hidden = !going
    this.building.hidden = m.phase !== "building"
    this.building.textContent = `building lesson ${m.lesson}… The first time this takes a while.`
    this.trouble.hidden = !m.trouble
    this.trouble.textContent = m.trouble || ""
    this.section.dataset.phase = m.phase
    if (going) say(m.phase === "building" ? `building lesson ${m.lesson}` : `scene ${m.scene} plays`)
    else if (!this.finished) {
      this.finished = true
      const events = m.takes.reduce((n, t) => n + t.events, 0)
      say(m.phase === "finished" ? `scene ${m.scene} finished, ${events} events` : `scene ${m.scene}: ${m.trouble}`)
    }
  }

  longest() { return Math.max(0, ...this.pictures.map(p => p.rows.length)) }

  // step goes one row forward or back. Behind the last row, the first one is next.
  step(by) {
    this.pause()
    current = this
    const at = Math.min(this.longest(), this.pictures[0]?.limit ?? 0)
    this.show(at === this.longest() && by > 0 ? 1 : Math.max(0, at + by))
    this.each(p => p.select(Math.min(p.limit, p.rows.length) - 1))
  }

  show(limit) {
    this.setFollow(true)
    this.each(p => { p.limit = limit; p.paintSoon() })
  }

  // replay shows the rows again: on a time axis at their times, with equal steps two in a second; times the speed.
  replay() {
    if (this.timer) { this.pause(); return }
    current = this
    this.replayButton.textContent = "Pause"
    let limit = this.pictures[0]?.limit ?? 0
    if (limit >= this.longest()) limit = 0
    const times = this.pictures.flatMap(p => p.rows.map(r => r.us))
    let at = this.axis ? Math.max(0, ...this.pictures.map(p => p.rows[limit - 1]?.us ?? 0)) : limit
    let before = performance.now()
    const beat = now => {
      const speed = Number(this.speed.value), passed = now - before
      before = now
      at += this.axis ? passed * 1000 * speed : passed / 500 * speed
      this.setFollow(true)
      this.each(p => {
        const next = this.axis ? p.rows.filter(r => r.us <= at).length : Math.floor(at)
        if (next !== p.limit) { p.limit = next; p.paintSoon() }
      })
      const over = this.axis ? at >= Math.max(...times) : at >= this.longest()
      if (over) { this.pause(); this.each(p => { p.limit = Infinity; p.paintSoon() }) } else this.timer = requestAnimationFrame(beat)
    }
    this.timer = requestAnimationFrame(beat)
  }

  pause() {
    cancelAnimationFrame(this.timer)
    this.timer = 0
    if (this.replayButton) this.replayButton.textContent = "Replay"
  }
}

// On paper a picture has all its rows.
const paintWhole = whole => () => scenes.forEach(s => s.each(p => { p.whole = whole; p.paint() }))
addEventListener("beforeprint", paintWhole(true))
addEventListener("afterprint", paintWhole(false))

const scenes = [...document.querySelectorAll("section.scene")].map(s => new Scene(s))
let current = null

// ---- A lab ----

const result = byId("result")

const outcomes = { passed: "✔ passed", failed: "✘ failed", "not-run": "· not run" }

function caseItem(c, opened, note = "") {
  const item = el("li", { class: c.outcome }, el("span", { class: "outcome" }, outcomes[c.outcome] || c.outcome), " " + c.name)
  if (c.message && !note.startsWith(c.message)) item.append(el("p", {}, c.message))
  if (!c.body) return item
  const hint = (name, ...children) => el("details", { "data-hint": c.name + name, open: opened.has(c.name + name) }, el("summary", {}, "Hint: " + name), ...children)
  const scene = c.link ? el("a", { href: base + c.link }, c.scene) : c.scene
  item.append(el("pre", { tabindex: "0" }, c.body), hint("the rule", el("p", {}, c.rule), hint("what to try next", el("p", {}, c.next), el("p", {}, "See it happen: ", scene || ""))))
  return item
}

function showLab(m) {
  const live = byId("live")
  const opened = new Set([...live.querySelectorAll("details[open]")].map(d => d.dataset.hint))
  const parts = []
  const doing = { building: "building…", running: `running… ${(m.live || []).length} cases done`, missing: "The file is not there. It is run as soon as it is." }[m.phase]
  if (doing) parts.push(el("p", { class: "doing" }, doing))
  if (m.trouble) parts.push(el("p", {}, m.phase === "refused" ? "It does not build:" : "It could not be run:"), el("pre", { class: "trouble", tabindex: "0" }, m.trouble))
  if (m.result) {
    const r = m.result, box = el("div", { class: m.stale ? "stale" : "" })
    const changed = (m.fixed || []).length + (m.broke || []).length ? `, fixed ${(m.fixed || []).length}, broke ${(m.broke || []).length}` : ""
    const score = r.of ? `${r.points} of ${r.of} points${changed}` : "no points"
    box.append(el("p", { class: "score" }, m.stale ? `Before, at ${m.ended}: ${score}` : score))
    if (r.note) box.append(el("p", {}, r.note))
    if (r.printed) box.append(el("pre", { tabindex: "0" }, r.printed))
    const cases = el("ol", { class: "cases" }, ...r.cases.map(c => caseItem(c, opened, r.note)))
    const begun = r.cases.some(c => c.outcome !== "not-run") // before that the task comes first
    box.append(begun ? cases : el("details", { "data-hint": "cases", open: opened.has("cases") }, el("summary", {}, `The ${r.cases.length} cases`), cases))
    if (r.of && r.points === r.of && !m.stale) {
      const { next, nextTitle } = result.dataset
      box.prepend(el("p", {}, "Everything is right. ", next ? el("a", { href: next }, "On to lesson " + nextTitle) : ""))
    }
    parts.push(box)
    if (m.phase === "done") say(`lab ${m.lab}: ${score}`)
  }
  if (m.phase === "refused") say("it does not build")
  result.dataset.phase = m.phase
  live.replaceChildren(...parts)
}

if (result) {
  result.querySelector("form.again").addEventListener("submit", async e => {
    e.preventDefault()
    const problem = await post("/follow", { lab: result.dataset.lab, again: "1" })
    if (problem) say(problem)
  })
}

// ---- The stream of messages: one for each page, which also tells it that the workbook is there; none while it is out of sight ----

let source = null, runs = new Map(), hiding = 0

function lost() {
  const box = byId("gone")
  box.textContent = "The workbook has stopped. Start it again in a terminal, and this page goes on:\n" + document.body.dataset.restart
  box.hidden = false
}

function open() {
  if (source) return
  source = new EventSource(`${base}/events?tab=${tab}`)
  source.onopen = () => { byId("gone").hidden = true }
  source.onerror = () => {
    lost()
    if (source && source.readyState === EventSource.CLOSED) { source = null; setTimeout(open, 2000) }
  }
  source.addEventListener("resync", () => {
    byId("gone").hidden = true
    runs = new Map()
    if (result) post("/follow", { lab: result.dataset.lab })
  })
  source.addEventListener("run", e => {
    const m = JSON.parse(e.data)
    const scene = scenes.find(s => s.section.dataset.lesson === m.lesson && s.section.dataset.scene === m.scene)
    if (!scene) return
    scene.told(m, !runs.has(m.id))
    runs.set(m.id, true)
  })
  source.addEventListener("lab", e => {
    const m = JSON.parse(e.data)
    if (result && result.dataset.lab === m.lab) showLab(m)
  })
}

function close() {
  if (scenes.some(s => s.phase === "building" || s.phase === "playing")) { hiding = setTimeout(close, 3000); return }
  source?.close()
  source = null
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding)
  if (document.hidden) hiding = setTimeout(close, 3000)
  else open()
})
addEventListener("pagehide", () => { source?.close(); source = null }) // the back button then finds the page as it was
addEventListener("pageshow", e => { if (e.persisted) open() })
open()

// ---- Keys, and the filter of the claims ----

function nearest() {
  const section = document.activeElement?.closest?.("section.scene")
  return scenes.find(s => s.section === section) || current || scenes.find(s => "#" + s.section.id === location.hash) || scenes[0]
}

document.addEventListener("keydown", e => {
  if (!("keys" in document.body.dataset) || e.ctrlKey || e.altKey || e.metaKey || e.defaultPrevented) return
  if (e.target.closest("input, select, textarea")) return
  const scene = nearest()
  const move = by => {
    const i = scenes.indexOf(document.activeElement?.closest?.("section.scene") ? scene : null)
    const to = scenes[Math.max(0, Math.min(scenes.length - 1, i < 0 ? (by > 0 ? 0 : scenes.length - 1) : i + by))]
    if (!to) return
    current = to
    to.button.focus()
    to.section.scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" })
  }
  const action = {
    "/": () => byId("q").focus(), j: () => move(1), k: () => move(-1), p: () => scene?.play(),
    ".": () => scene?.takes && scene.replay(), ArrowLeft: () => scene?.takes && scene.step(-1), ArrowRight: () => scene?.takes && scene.step(1),
  }[e.key]
  if (!action) return
  e.preventDefault()
  action()
})

function filterClaims() {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean)
  const items = [...byId("claims").children]
  let shown = 0
  for (const item of items) {
    item.hidden = !words.every(w => item.textContent.toLowerCase().includes(w))
    if (!item.hidden) shown++
  }
  byId("count").textContent = `${shown} of ${items.length}`
}

if (byId("filter")) {
  byId("filter").addEventListener("input", filterClaims)
  // What was typed before this script ran, or is there again after the back button, counts too.
  addEventListener("pageshow", () => { if (byId("filter").value !== byId("filter").defaultValue) filterClaims() })
}

const never = svg("pattern", { id: "never", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" })
never.append(svg("rect", { width: 6, height: 6, fill: "Canvas" }), svg("line", { y2: 6, stroke: "#8a8f98", "stroke-width": 3 }))
const defs = svg("svg", { width: 0, height: 0, "aria-hidden": "true" })
defs.append(never)
document.body.append(defs)
