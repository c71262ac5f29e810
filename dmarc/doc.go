// Package dmarc reads DMARC aggregate reports: RFC 9990 complete, RFC 7489
// and the deviations that reporters really send.
package dmarc
