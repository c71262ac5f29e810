// Command demo runs the suite on this machine: private PostgreSQL, Redis and
// nginx with moving data, the five exporters, a stand-in for the observed
// application, and a Prometheus with our rules. Everything listens on loopback
// and ends with the command.
//
// With -check it then asks whether what the mixin promises is so: every target
// is up, every expression of the dashboards has data, no rule fails, and faults
// raise the alerts that they should and no others.
package main
