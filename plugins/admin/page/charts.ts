import type UPlot from 'uplot'
import type { Numbers } from '../recorder.js'

declare const uPlot: typeof UPlot

/** Seconds that are shown. */
const span = 600
const least = 120
const height = 200

type Column = (number | null)[]

/** A colour of the style sheet. */
function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim()
}

/** The two charts, of what is known of the last ten minutes. */
export class Charts {
  readonly #rate: HTMLElement
  readonly #latency: HTMLElement
  #plots: UPlot[] = []
  #numbers: Numbers[] = []

  constructor(rate: HTMLElement, latency: HTMLElement) {
    this.#rate = rate
    this.#latency = latency
    this.#make()
    // Colours are drawn, not styled.
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#make())
    new ResizeObserver(() => this.#resize()).observe(rate)
  }

  draw(numbers: Numbers[]): void {
    this.#numbers = numbers
    const last = numbers.at(-1)?.second ?? Math.floor(Date.now() / 1_000)
    // Soon behind the start, a minute or two would be a line at the edge.
    const first = numbers.find(({ statuses }) => statuses.some(count => count > 0))?.second ?? last
    const min = Math.max(last - span, Math.min(first, last - least))
    const [rate, latency] = this.#plots as [UPlot, UPlot]
    const seconds = numbers.map(({ second }) => second)
    for (const [plot, columns] of [
      [rate, stacked(numbers)],
      [latency, [column(numbers, 'p99'), column(numbers, 'p90'), column(numbers, 'p50')]]
    ] as [UPlot, Column[]][]) {
      plot.setData([seconds, ...columns] as UPlot.AlignedData, false)
      plot.setScale('x', { min, max: last })
    }
  }

  #make(): void {
    for (const plot of this.#plots) plot.destroy()
    const area = (name: string): UPlot.Series => ({
      fill: token(name),
      width: 0,
      points: { show: false }
    })
    const line = (name: string, width: number): UPlot.Series => ({
      stroke: token(name),
      width,
      points: { show: false }
    })
    this.#plots = [
      plotIn(this.#rate, [area('--s2'), area('--s3'), area('--s4'), area('--s5')]),
      plotIn(this.#latency, [line('--p99', 1.5), line('--p90', 1.5), line('--p50', 2)])
    ]
    if (this.#numbers.length > 0) this.draw(this.#numbers)
  }

  #resize(): void {
    for (const [index, parent] of [this.#rate, this.#latency].entries()) {
      this.#plots[index]?.setSize({ width: parent.clientWidth, height })
    }
  }
}

function plotIn(parent: HTMLElement, series: UPlot.Series[]): UPlot {
  const axis: UPlot.Axis = {
    stroke: token('--quiet'),
    grid: { stroke: token('--line'), width: 1 },
    ticks: { stroke: token('--line'), width: 1 }
  }
  const options: UPlot.Options = {
    width: parent.clientWidth || 300,
    height,
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: true, auto: false }, y: { range: (_plot, _least, most) => [0, Math.max(1, most * 1.1)] } },
    // The last label stands half beside its line.
    padding: [8, 32, 0, 0],
    axes: [
      { ...axis, space: 90, values: (_plot, splits) => splits.map(split => clock(split, splits)) },
      { ...axis, size: 52 }
    ],
    series: [{}, ...series]
  }
  return new uPlot(options, [[], ...series.map(() => [])] as UPlot.AlignedData, parent)
}

function clock(second: number, [first = 0, next = 0]: readonly number[]): string {
  const timeStyle = next - first < 60 ? 'medium' : 'short'
  return new Date(second * 1_000).toLocaleTimeString('en', { hourCycle: 'h23', timeStyle })
}

/** Each one on top of those behind it: the last one is drawn over the others. */
function stacked(numbers: Numbers[]): Column[] {
  const columns: Column[] = [[], [], [], []]
  for (const { statuses } of numbers) {
    const [first = 0, second = 0, third = 0, fourth = 0, fifth = 0] = statuses
    columns[3]?.push(fifth)
    columns[2]?.push(fifth + fourth)
    columns[1]?.push(fifth + fourth + third)
    columns[0]?.push(fifth + fourth + third + second + first)
  }
  return columns
}

function column(numbers: Numbers[], name: 'p50' | 'p90' | 'p99'): Column {
  return numbers.map(({ [name]: value }) => value)
}
