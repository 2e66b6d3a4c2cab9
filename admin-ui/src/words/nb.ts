export const nb: Record<string, string> = {}
