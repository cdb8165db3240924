// Adding a device: a model by search, put into the file that is being edited.
import { h, swap } from './dom.js'
import { get } from './api.js'
import { t } from './i18n.js'
import { Newest } from './newest.js'
import { said } from './state.js'

export function adding(insert) {
  const words = h('input', { type: 'search', placeholder: t('add.search'), 'aria-label': t('add.search'), oninput: () => { clearTimeout(soon); soon = setTimeout(search, 300) } })
  const list = h('ul.models.found')
  const searches = new Newest()
  let soon = 0
  const el = h('section.card', h('h2', t('add.models')), h('p', h('a', { href: '#/add' }, t('add.steps'))), words, list)

  async function search() {
    const q = words.value.trim(), newest = searches.begin()
    if (!q) return swap(list)
    try {
      const models = await get('models?search=' + encodeURIComponent(q))
      if (newest()) swap(list, ...models.slice(0, 20).map(m => modelRow(m, t('add.use'), () => insert('50-devices.toml', snippet(m)))), models.length ? null : h('li.soft', t('add.none')))
    } catch (e) { if (newest()) swap(list, h('li.poor', said(e))) }
  }

  return { el, stop() { clearTimeout(soon) } }
}

// modelRow is one model of a list, with what takes it.
export function modelRow(m, words, take) {
  return h('li', h('div', h('b', m.name), ' ', m.title, h('div.soft', m.channels.slice(0, 8).join(', ') + (m.channels.length > 8 ? ' …' : '')),
    h('div.soft', m.tested && m.tested !== 'no' ? t('add.tested', { on: m.tested }) : t('add.untested'))), h('button', { type: 'button', onclick: take }, words))
}

// snippet is the least that a device of the model needs; check marks what is still to be said.
function snippet(m) {
  const name = m.name.split('/').pop().replace(/[^a-z0-9-]/g, '-')
  return `[device.${name}]\ndriver = "${m.driver}"\nmodel  = "${m.name}"\n`
}
