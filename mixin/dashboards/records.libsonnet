// The dashboard of the records in PostgreSQL, for those who keep them there.
local d = import '../lib/dashboard.libsonnet';
local row = d.row;

function(c)
  local r = (import '../signals/records.libsonnet')(c);
  d.ofSQL(c, 'dmarc-records', 'DMARC / Records', 'The records behind the numbers, from PostgreSQL: which addresses sent, what DKIM and SPF said of it, and who reported.', [
    row('Messages', [r.messages, r.share, r.reports, r.reporters, r.sources, r.failing, r.byResult, r.byDisposition]),
    row('Sources', [r.byAddress, r.bySender, r.byNetwork, r.byCountry, r.map, r.fresh]),
    row('Authentication', [r.dkim, r.spf, r.alignment { span: 10 }, r.from { span: 14 }]),
    row('Reports', [r.byReporter { span: 24 }, r.policies { span: 24 }, r.list]),
    row('TLS', [r.tlsDays { span: 24 }, r.tlsHosts { span: 24 }, r.tlsDomains]),
    d.detail('Overrides and failure reports', [r.overrides { span: 24 }, r.failures]),
  ], [
    ['domain', 'Domain', 'SELECT domain FROM %s.dmarc_reports UNION SELECT policy_domain FROM %s.tls_reports ORDER BY 1' % [c.recordsSchema, c.recordsSchema]],
  ])
