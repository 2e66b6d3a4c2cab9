import { Fieldset, NumberInput, Select, SimpleGrid, TagsInput, TextInput } from '@mantine/core'
import type { UseFormReturnType } from '@mantine/form'
import type { CustomerValues } from '../util/customer'
import { t } from '../words/words'
import { Wrong } from './entries'

/** Values of the attributes that the account has declared, each by its type. */
export function CustomerAttributes({ form }: { form: UseFormReturnType<CustomerValues> }) {
  if (form.values.attributes.length === 0) return null
  return (
    <Fieldset legend={t('Attributes')}>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        {form.values.attributes.map(({ declared: { name, type, multiple_values } }, at) => {
          const given = { label: name, ...form.getInputProps(`attributes.${at}.value`) }
          if (multiple_values) return <TagsInput key={name} {...given} />
          if (type === 'boolean') {
            const data = [
              { value: 'true', label: t('Yes') },
              { value: 'false', label: t('No') },
            ]
            return <Select key={name} clearable data={data} {...given} onChange={(value) => form.setFieldValue(`attributes.${at}.value`, value ?? '')} />
          }
          if (type === 'integer' || type === 'real') {
            const change = (value: number | string) => form.setFieldValue(`attributes.${at}.value`, String(value))
            return <NumberInput key={name} allowDecimal={type === 'real'} decimalScale={10} {...given} onChange={change} />
          }
          return <TextInput key={name} type={type === 'date' ? 'date' : type === 'email' ? 'email' : 'text'} {...given} />
        })}
      </SimpleGrid>
      <Wrong>{form.errors.attributes}</Wrong>
    </Fieldset>
  )
}
