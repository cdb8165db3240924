// Clients and topics: who is connected, what waits for whom, the newest message of each
// topic as the user who looks may read it; an admin publishes.
import { h, text, swap, ask } from './dom.js'
import { get, post } from './api.js'
import { Newest } from './newest.js'
import { t } from './i18n.js'
import { bytes, count, when } from './format.js'
import { may } from './store.js'
import { ago, said } from './state.js'

class ClientsView {
  constructor() {
    this.clients = h('div')
    this.tree = h('div.tree', { role: 'tree', 'aria-label': t('topics') })
    this.filter = h('input', { type: 'search', placeholder: t('topics.filter'), 'aria-label': t('topics.filter'), oninput: () => this.showTopics() })
    this.note = h('p.soft')
    this.turned = new Map() // what a person opened or shut, by path
    this.el = h('div', h('h1.unseen', t('nav.clients')),
      may('operate') ? h('section.card.wide', h('h2', t('clients')), this.clients) : null,
      may('admin') ? this.publisher() : null,
      h('section.card.wide', h('h2', h('span.name', t('topics')), this.filter), this.note, this.tree))
    this.loads = new Newest()
    this.timer = setInterval(() => { if (!document.hidden && !this.loading) this.load() }, 3000)
    this.load()
  }

  async load() {
    const newest = this.loads.begin(), only = f => x => { if (newest()) f(x) }
    this.loading = true
    try {
      await Promise.all([
        may('operate') && get('clients').then(only(l => this.showClients(l)), only(e => swap(this.clients, h('p.soft', said(e))))),
        get('topics').then(only(a => { this.topics = a.topics; this.missed = a.missed; this.showTopics() }), only(e => text(this.note, said(e))))])
    } finally {
      if (newest()) this.loading = false
    }
  }

  showClients(list) {
    list.sort((a, b) => b.connected - a.connected || b.waiting - a.waiting || a.client.localeCompare(b.client))
    const heads = ['clients.client', 'clients.user', 'clients.where', 'clients.subscriptions', 'clients.waits', ...(may('admin') ? ['clients.do'] : [])]
    swap(this.clients, list.length ? h('div.scroll', { tabindex: 0 }, h('table.list', h('thead', h('tr', heads.map(k => h('th', { scope: 'col' }, t(k))))),
      h('tbody', list.map(c => this.client(c))))) : h('p.soft', t('clients.none')))
  }

  client(c) {
    const where = c.connected ? [h('span.state.ok', '● ', t('clients.connected')), ' ', h('span.soft', c.address || '')] : [h('span.state.soft', '◌ ', t('clients.away', { span: ago(c.gone) })), c.expires ? h('span.soft', ' ', t('clients.expires', { time: when(Date.parse(c.expires)) })) : null]
    const act = c.connected ? ['disconnect', () => post(`clients/${encodeURIComponent(c.client)}/disconnect`)] : ['remove', () => post(`clients/${encodeURIComponent(c.client)}`, undefined, 'DELETE')]
    return h('tr', h('th', { scope: 'row' }, c.client), h('td', c.user || '–'), h('td', where), h('td', count(c.subscriptions)),
      h('td', c.waiting ? `${count(c.waiting)} (${bytes(c.waiting_bytes)})` : '0'), may('admin') ? h('td', h('button', { type: 'button', onclick: () => this.act(c, ...act) }, t('clients.' + act[0]))) : null)
  }

  async act(c, name, does) {
    const yes = await ask(t(`clients.${name}.sure`, { client: c.client }), h('p', t(`clients.${name}.text`, { n: c.waiting })), [{ value: '', text: t('cancel') }, { value: 'yes', text: t('clients.' + name), main: true }])
    if (yes !== 'yes') return
    await does().catch(e => ask(said(e), null, [{ value: '', text: t('close') }]))
    this.load()
  }

  publisher() {
    const topic = h('input', { id: 'topic', required: true, spellcheck: 'false', autocapitalize: 'none' }), payload = h('input', { id: 'payload', spellcheck: 'false' })
    const retain = h('input', { type: 'checkbox', id: 'retain' }), answer = h('span.answer', { role: 'status' })
    const submit = async e => {
      e.preventDefault()
      try {
        await post('topics/publish', { topic: topic.value, payload: payload.value, qos: 1, retain: retain.checked })
        answer.className = 'answer good'
        text(answer, t('publish.done', { topic: topic.value }))
      } catch (err) {
        answer.className = 'answer poor'
        text(answer, said(err))
      }
    }
    return h('form.card.wide.publish', { onsubmit: submit }, h('h2', t('publish')), h('div.set', h('span.named', h('label', { for: 'topic' }, t('publish.topic')), topic), h('span.named', h('label', { for: 'payload' }, t('publish.payload')), payload),
      h('label', retain, ' ', t('publish.retain')), h('button', { type: 'submit' }, t('publish')), answer))
  }

  // showTopics draws the tree. What was opened stays open, what was shut stays shut; while
  // something is filtered all is open, and that changes nothing of the rest.
  showTopics() {
    const words = this.filter.value.toLowerCase()
    const root = { below: new Map() }
    const wanted = (this.topics || []).filter(x => !words || x.topic.toLowerCase().includes(words))
    for (const m of wanted) {
      let at = root
      for (const level of m.topic.split('/')) {
        if (!at.below.has(level)) at.below.set(level, { below: new Map() })
        at = at.below.get(level)
      }
      at.message = m
    }
    text(this.note, wanted.length ? this.missed ? t('topics.missed', { n: this.missed }) : '' : t('topics.none'))
    const held = document.activeElement?.dataset?.path
    swap(this.tree, ...[...root.below].map(([name, x]) => this.branch(name, x, name, root.below.size === 1)))
    if (held) [...this.tree.querySelectorAll('summary')].find(s => s.dataset.path === held)?.focus()
  }

  branch(name, node, path, usual) {
    const message = node.message ? [h('span.payload' + (node.message.binary ? '.soft' : ''), node.message.payload || t('topics.empty')), h('span.soft', ` ${node.message.retained ? t('topics.retained') + ' · ' : ''}${ago(node.message.time)}`)] : []
    if (!node.below.size) return h('div.leaf', { role: 'treeitem' }, h('span.level', name || '⟨⟩'), ' ', message)
    const leaves = [...node.below]
    const filtered = this.filter.value !== ''
    const el = h('details', { role: 'treeitem', open: filtered || (this.turned.get(path) ?? usual) },
      h('summary', { 'data-path': path, onclick: () => filtered || this.turned.set(path, !el.open) }, h('span.level', name || '⟨⟩'), ' ', h('span.soft', count(leaves.length)), ' ', message),
      h('div', { role: 'group' }, leaves.map(([n, x]) => this.branch(n, x, path + '/' + n, false))))
    return el
  }

  stop() { this.loads.begin(); clearInterval(this.timer) }
}

export default () => new ClientsView()
