package redis

import _ "embed"

// upstreamSettings says what becomes of the flags and variables of the
// established exporter.
//
//go:embed upstream.tsv
var upstreamSettings string
