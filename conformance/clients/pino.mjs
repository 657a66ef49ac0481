// pino-loki: JSON pushes from a worker thread.
import pino from 'pino'

const transport = pino.transport({
  target: 'pino-loki',
  options: {
    host: process.env.LOKI_URL,
    labels: { app: 'pino' },
    headers: { 'X-Scope-OrgID': 'pino' },
    batching: { interval: 1 }
  }
})
const logger = pino({ level: 'debug' }, transport)
for (let at = 0; at < Number(process.env.LINES_TO_SEND); at++) logger.warn(`line ${at}`)
// The worker pushes every second; run.sh ends this once the lines are there.
setInterval(() => {}, 1000)
