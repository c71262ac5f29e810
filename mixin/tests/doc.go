// Package tests holds the tests of the mixin, and generates rules/, dashboards/
// and docs/slos.md from it: go test ./... -update.
package tests
