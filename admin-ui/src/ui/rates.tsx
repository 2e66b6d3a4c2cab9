import '@mantine/charts/styles.css'
import { AreaChart } from '@mantine/charts'
import type { Moment } from '../pages/overview'
import { t } from '../words/words'

/** Requests a second over time. */
export default function Rates({ moments }: { moments: Moment[] }) {
  return (
    <AreaChart
      h={220}
      data={moments}
      dataKey="time"
      withDots={false}
      withLegend
      curveType="monotone"
      series={[
        { name: 'requests', label: t('Requests a second'), color: 'blue.6' },
        { name: 'refused', label: t('Refused a second'), color: 'red.6' },
      ]}
    />
  )
}
