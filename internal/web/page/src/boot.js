// What index.html has is painted before anything else is asked for or done: a phone that is
// slow has something to look at first. The browser draws between a frame and the task after
// it; a page out of sight gets no frames. Then come the links that index.html keeps for
// later, and with the style sheet there the modules begin.
{
  const later = () => {
    const links = document.getElementById('later').content
    const sheet = links.querySelector('[rel=stylesheet]')
    const app = () => import('./app.js')
    sheet.onload = sheet.onerror = app
    document.head.append(links)
  }
  if (document.hidden) later()
  else {
    let begun = false
    const once = () => { if (!begun) { begun = true; later() } }
    requestAnimationFrame(() => setTimeout(once))
    setTimeout(once, 1000)
  }
}
