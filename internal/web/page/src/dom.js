// Elements without a framework. h('td.value', {title: 'x'}, 'text', child) makes an element;
// text is always text, never markup: what devices and brokers send cannot become a script.

const svgNames = 'http://www.w3.org/2000/svg'

export function h(name, ...rest) {
  const [tag, ...classes] = name.split('.')
  return fill(document.createElement(tag), classes, rest)
}

export function svg(name, ...rest) {
  const [tag, ...classes] = name.split('.')
  return fill(document.createElementNS(svgNames, tag), classes, rest)
}

function fill(el, classes, rest) {
  if (classes.length) el.setAttribute('class', classes.join(' '))
  for (const part of rest.flat(3)) {
    if (part === null || part === undefined || part === false) continue
    if (part instanceof Node) el.append(part)
    else if (typeof part === 'object') attributes(el, part)
    else el.append(String(part))
  }
  return el
}

function attributes(el, all) {
  for (const [key, value] of Object.entries(all)) {
    if (key.startsWith('on')) el.addEventListener(key.slice(2), value)
    else if (key.startsWith('aria-') && typeof value === 'boolean') el.setAttribute(key, String(value)) // never just there
    else if (value === true) el.setAttribute(key, '')
    else if (value !== false && value !== null && value !== undefined) el.setAttribute(key, value)
  }
}

// breakable is a name that may be broken behind its marks, before it is broken in its words.
export function breakable(name) {
  return name.split(/(?<=[_/.-])/).flatMap((part, i) => i ? [h('wbr'), part] : [part])
}

// text sets the text of an element only if it is another: a value that stays costs no layout.
export function text(el, value) {
  if (el.firstChild?.nodeValue !== value) el.textContent = value
}

export function toggle(el, name, on) {
  if (el.classList.contains(name) !== on) el.classList.toggle(name, on)
}

export function swap(el, ...children) { el.replaceChildren(...children.flat().filter(Boolean)) }

// download gives the browser a file that the page has made.
export function download(name, type, content) {
  const url = URL.createObjectURL(new Blob([content], { type }))
  h('a', { href: url, download: name }).click()
  setTimeout(() => URL.revokeObjectURL(url), 10000)
}

// ask shows a question in a dialog and resolves to what its button says; '' if it was closed.
export function ask(title, body, buttons) {
  return new Promise(resolve => {
    const d = h('dialog', { 'aria-labelledby': 'ask-title' }, h('form', { method: 'dialog' },
      h('h2', { id: 'ask-title' }, title), body,
      h('div.buttons', buttons.map(b => h('button' + (b.main ? '.main' : ''), { value: b.value }, b.text)))))
    d.addEventListener('close', () => { d.remove(); resolve(d.returnValue) })
    document.body.append(d)
    d.showModal()
  })
}
