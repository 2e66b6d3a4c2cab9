// Search, copying of code, and chapters that are closed where there is little room. Without it the guide is read all the same.
const root = document.currentScript.dataset.root || './'
const chapters = document.querySelector('.chapters')
if (matchMedia('(max-width: 56rem)').matches) chapters.open = false
const here = chapters.querySelector('[aria-current]')
const shown = chapters.querySelector('nav')
if (here) shown.scrollTop = here.offsetTop - shown.offsetTop - shown.clientHeight / 2

for (const block of document.querySelectorAll('pre')) {
  const copy = document.createElement('button')
  copy.textContent = 'Copy'
  copy.addEventListener('click', async () => {
    await navigator.clipboard.writeText(block.querySelector('code').textContent)
    copy.textContent = 'Copied'
    setTimeout(() => (copy.textContent = 'Copy'), 1500)
  })
  if (navigator.clipboard) block.append(copy)
}

const form = document.querySelector('header form')
const [field, list] = [form.querySelector('input'), form.querySelector('ol')]
form.hidden = false
let pages
const read = () => (pages ??= fetch(root + 'search.json').then((answer) => answer.json()))

/** How well a section fits: each word must stand in it; in a title it counts more. */
function worth([, page, title, text], words) {
  let sum = 0
  for (const word of words) {
    const fits = (where, weight) => (where.toLowerCase().includes(word) ? weight : 0)
    const one = fits(title, 20) + fits(page, 5) + fits(text, 1)
    if (!one) return 0
    sum += one
  }
  return sum
}

async function search() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean)
  const found = words.length ? (await read()).map((page) => [worth(page, words), page]).filter(([sum]) => sum) : []
  found.sort(([one], [other]) => other - one)
  list.replaceChildren(
    ...found.slice(0, 12).map(([, [address, page, title, text]]) => {
      const near = text.toLowerCase().indexOf(words[0]) - 40
      const at = near > 0 ? text.indexOf(' ', near) + 1 : 0
      const link = Object.assign(document.createElement('a'), { href: root + address, textContent: title })
      const about = document.createElement('small')
      about.textContent = (title === page ? '' : page + ': ') + text.slice(at, at + 110)
      link.append(about)
      const item = document.createElement('li')
      item.append(link)
      return item
    }),
  )
  if (words.length && !found.length) list.append(Object.assign(document.createElement('li'), { textContent: 'Nothing found' }))
  list.hidden = !words.length
}

field.addEventListener('focus', read)
field.addEventListener('input', search)
form.addEventListener('submit', (event) => {
  event.preventDefault()
  list.querySelector('a')?.click()
})
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') list.hidden = true
  if (event.key === '/' && !event.target.closest('input')) {
    event.preventDefault()
    field.focus()
  }
})
