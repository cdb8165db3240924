// Logging in and out.
import { h, text } from './dom.js'
import { post, Problem } from './api.js'
import { t } from './i18n.js'
import { store } from './store.js'

// login is the form; done gets the answer of the API.
export function login(done) {
  if (!store.me.can_log_in)
    return h('section.card.login', h('h1', t('login.title')), h('p', t(store.me.gone ? 'gone.title' : 'login.nousers')), store.me.gone ? null : h('p.try', t('try'), ' ', h('code', 'sudo sensorgate web setup')))
  const user = h('input', { id: 'user', name: 'username', autocomplete: 'username', required: true, autocapitalize: 'none', spellcheck: 'false' })
  const password = h('input', { id: 'password', name: 'password', type: 'password', autocomplete: 'current-password', required: true })
  const problem = h('p.poor', { role: 'alert' })
  const go = h('button.main', { type: 'submit' }, t('login'))
  const submit = async e => {
    e.preventDefault()
    go.disabled = true
    try {
      done(await post('login', { user: user.value, password: password.value }))
    } catch (err) {
      text(problem, err instanceof Problem ? [err.title, err.status === 503 && err.try].filter(Boolean).join('; ') : t('gone.title'))
      password.select()
    }
    go.disabled = false
  }
  return h('form.card.login', { onsubmit: submit }, h('h1', t('login.title')),
    h('label', { for: 'user' }, t('login.user')), user, h('label', { for: 'password' }, t('login.password')), password, problem, go)
}

// whoButton says who looks and what they may, and lets them change it.
export function whoButton(done) {
  const { user, role, can_log_in } = store.me
  if (role === 'nobody') return null
  const name = h('span.soft', user || t('role.' + role), user ? h('span.role', ' · ' + t('role.' + role)) : null)
  if (user) return h('span', name, ' ', h('button', { type: 'button', onclick: async () => { await post('logout').catch(() => {}); location.reload() } }, t('logout')))
  if (!can_log_in) return name
  const open = () => {
    const d = h('dialog.bare', { 'aria-label': t('login.title') })
    d.append(login(me => { d.close(); done(me) }))
    d.addEventListener('close', () => d.remove())
    d.addEventListener('click', e => { if (e.target === d) d.close() })
    document.body.append(d)
    d.showModal()
  }
  return h('span', name, ' ', h('button', { type: 'button', onclick: open }, t('login')))
}
