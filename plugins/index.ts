export { default as outlier } from './outlier/index.js'
export { default as proxy } from './proxy/index.js'
export { default as upstream } from './upstream/index.js'
