import t from 'tap'
import { Thresholds } from '../../plugins/health/thresholds.js'

/** Results as + and -; the verdict after each as + and -, in capitals (P, F) where it is another one. */
function verdicts(results: string, rise = 2, fall = 3): string {
  const thresholds = new Thresholds({ rise, fall })
  return [...results]
    .map(result => {
      const changed = thresholds.observe(result === '+')
      return thresholds.healthy ? (changed ? 'P' : '+') : changed ? 'F' : '-'
    })
    .join('')
}

const table: [rule: string, results: string, verdicts: string, rise?: number, fall?: number][] = [
  ['the first result decides alone when it passes', '+', 'P'],
  ['the first result decides alone when it fails', '-', 'F'],
  ['an endpoint that never passed is healthy with the first that does', '---+', 'F--P'],
  ['it takes fall in a row to fall', '+---', 'P++F'],
  ['one that passes in between starts the count anew', '+--+--+---', 'P++++++++F'],
  ['it takes rise in a row to rise again', '+---++', 'P++F-P'],
  ['one that fails in between starts that count anew, too', '+---+-+-++', 'P++F-----P'],
  ['thresholds of one follow each result', '+-+-', 'PFPF', 1, 1],
  ['a high rise counts each', '+-+++++', 'PF----P', 5, 1]
]

for (const [rule, results, expected, rise, fall] of table) {
  t.test(rule, async t => t.equal(verdicts(results, rise, fall), expected))
}

t.test('a verdict is contested while no probe has passed, or the last result speaks against it', async t => {
  const thresholds = new Thresholds({ rise: 2, fall: 2 })
  const contested = [...'--++-+--+-++'].map(result => {
    thresholds.observe(result === '+')
    return thresholds.contested ? '?' : '.'
  })
  t.equal(contested.join(''), '??..?.?.?.?.')
  t.equal(thresholds.streak, 2)
})
