// Package repotest holds the tests by which the repository agrees with itself.
// It has one file of tests per subject:
//
//   - floors_test.go: imports go down only
//   - source_test.go: sizes, words and constructs that source files keep to
//   - api_test.go: every exported name is documented
//   - docs_test.go: links, reasons, codes and binaries agree with the documents
//
// What ties metrics to rules, dashboards, runbooks and manifests belongs here
// too, in a file of its own.
package repotest
