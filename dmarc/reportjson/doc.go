// Package reportjson is the JSON form of reports: one object, on a line of its
// own, for each record of an aggregate report, each policy of a TLS report and
// each failure report.
//
//	err := reports.Read(r, func(report *reports.Report) error {
//		for line := range reportjson.Lines("report.xml", report) {
//			if err := reportjson.Write(os.Stdout, line); err != nil {
//				return err
//			}
//		}
//		return nil
//	})
//
// `dmarc_exporter parse` prints these lines, its archive holds them, and
// `dmarc_exporter store export` writes them, so that whoever reads one reads
// all. A JSON Schema of them is docs/schema/report.schema.json. Keys may be
// added; those that are there keep their meaning.
//
// Times are RFC 3339 in UTC. Text comes from untrusted input: it is valid
// UTF-8, and nothing else is promised of it.
package reportjson
