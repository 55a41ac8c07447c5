import { defineConfig } from 'vitest/config'

const gateway = 'http://127.0.0.1:8080'
const rooms = ['/fhir', '/authorize', '/token', '/sign-out', '/identity', '/consult', '/pharmacy', '/.well-known']

export default defineConfig({
  build: {
    target: 'es2022',
    // The gateway's content policy allows our own files only: nothing may be inlined as a data: address.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: { ...Object.fromEntries(rooms.map((room) => [room, gateway])), '/live': { target: gateway, ws: true } },
  },
  test: { include: ['tests/**/*.test.ts'], environment: 'node' },
})
