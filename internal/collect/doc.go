// Package collect holds what the collectors have in common: how a metric is
// declared and its samples are made ([Row], [Family], [Output]), how callers
// share one run of the same work ([Flights]), and the words for why something
// on a network did not answer ([Reason]).
package collect
