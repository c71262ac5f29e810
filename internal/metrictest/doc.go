// Package metrictest compares the exposition of collectors with golden files,
// and writes the reference of their metrics.
package metrictest
