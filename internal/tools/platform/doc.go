// Package platform tests what is applied to a cluster against the real types of
// the API and against Helm itself. It is in the module of the tools, since the
// library needs neither.
package platform
