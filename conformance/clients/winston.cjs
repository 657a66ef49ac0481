// winston-loki: `json` or snappy protobuf.
const winston = require('winston')
const LokiTransport = require('winston-loki')

const json = process.argv[2] === 'json'
const transport = new LokiTransport({
  host: process.env.LOKI_URL,
  json,
  labels: { app: 'winston' },
  headers: { 'X-Scope-OrgID': json ? 'winston' : 'winston-protobuf' },
  interval: 1,
  onConnectionError: (error) => { console.error(error); process.exitCode = 1 }
})
const logger = winston.createLogger({ level: 'debug', format: winston.format.json(), transports: [transport] })
for (let at = 0; at < Number(process.env.LINES_TO_SEND); at++) logger.warn(`line ${at}`)
// It pushes every second; run.sh ends this once the lines are there.
setInterval(() => {}, 1000)
