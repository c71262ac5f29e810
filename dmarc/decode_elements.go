package dmarc

// node is an element of a report that contains elements. Reports are a fixed
// tree, so the open node is the whole state of the parser.
type node uint8

const (
	nodeNone node = iota // outside of the root element
	nodeFeedback
	nodeMetadata
	nodeDateRange
	nodePolicy
	nodeRecord
	nodeRow
	nodeEvaluated
	nodeReason
	nodeIdentifiers
	nodeAuthResults
	nodeDKIM
	nodeSPF
	nodeCount
)

// leaf is an element that holds a value, in its node: the result of a DKIM
// signature is another leaf than that of an SPF check.
type leaf uint8

const (
	leafNone leaf = iota
	leafVersion
	leafOrgName
	leafEmail
	leafContact
	leafReportID
	leafError
	leafGenerator
	leafBegin
	leafEnd
	leafDomain
	leafP
	leafSP
	leafNP
	leafADKIM
	leafASPF
	leafPct
	leafFo
	leafTesting
	leafDiscovery
	leafSource
	leafCount
	leafDisposition
	leafEvalDKIM
	leafEvalSPF
	leafReasonType
	leafReasonComment
	leafHeaderFrom
	leafEnvelopeFrom
	leafEnvelopeTo
	leafDKIMDomain
	leafDKIMSelector
	leafDKIMResult
	leafDKIMHuman
	leafSPFDomain
	leafSPFScope
	leafSPFResult
	leafSPFHuman
	leafBetween // no leaf: the place behind the end of a record
	leafLimit
)

// nodes describes the tree: what each node is called and where it belongs.
var nodes = [nodeCount]struct {
	name   string
	parent node
}{
	nodeNone:        {"", nodeNone},
	nodeFeedback:    {"feedback", nodeNone},
	nodeMetadata:    {"report_metadata", nodeFeedback},
	nodeDateRange:   {"date_range", nodeMetadata},
	nodePolicy:      {"policy_published", nodeFeedback},
	nodeRecord:      {"record", nodeFeedback},
	nodeRow:         {"row", nodeRecord},
	nodeEvaluated:   {"policy_evaluated", nodeRow},
	nodeReason:      {"reason", nodeEvaluated},
	nodeIdentifiers: {"identifiers", nodeRecord},
	nodeAuthResults: {"auth_results", nodeRecord},
	nodeDKIM:        {"dkim", nodeAuthResults},
	nodeSPF:         {"spf", nodeAuthResults},
}

// leaves describes the values.
var leaves = [leafLimit]struct {
	name string
	node node
}{
	leafVersion:       {"version", nodeFeedback},
	leafOrgName:       {"org_name", nodeMetadata},
	leafEmail:         {"email", nodeMetadata},
	leafContact:       {"extra_contact_info", nodeMetadata},
	leafReportID:      {"report_id", nodeMetadata},
	leafError:         {"error", nodeMetadata},
	leafGenerator:     {"generator", nodeMetadata},
	leafBegin:         {"begin", nodeDateRange},
	leafEnd:           {"end", nodeDateRange},
	leafDomain:        {"domain", nodePolicy},
	leafP:             {"p", nodePolicy},
	leafSP:            {"sp", nodePolicy},
	leafNP:            {"np", nodePolicy},
	leafADKIM:         {"adkim", nodePolicy},
	leafASPF:          {"aspf", nodePolicy},
	leafPct:           {"pct", nodePolicy},
	leafFo:            {"fo", nodePolicy},
	leafTesting:       {"testing", nodePolicy},
	leafDiscovery:     {"discovery_method", nodePolicy},
	leafSource:        {"source_ip", nodeRow},
	leafCount:         {"count", nodeRow},
	leafDisposition:   {"disposition", nodeEvaluated},
	leafEvalDKIM:      {"dkim", nodeEvaluated},
	leafEvalSPF:       {"spf", nodeEvaluated},
	leafReasonType:    {"type", nodeReason},
	leafReasonComment: {"comment", nodeReason},
	leafHeaderFrom:    {"header_from", nodeIdentifiers},
	leafEnvelopeFrom:  {"envelope_from", nodeIdentifiers},
	leafEnvelopeTo:    {"envelope_to", nodeIdentifiers},
	leafDKIMDomain:    {"domain", nodeDKIM},
	leafDKIMSelector:  {"selector", nodeDKIM},
	leafDKIMResult:    {"result", nodeDKIM},
	leafDKIMHuman:     {"human_result", nodeDKIM},
	leafSPFDomain:     {"domain", nodeSPF},
	leafSPFScope:      {"scope", nodeSPF},
	leafSPFResult:     {"result", nodeSPF},
	leafSPFHuman:      {"human_result", nodeSPF},
	leafBetween:       {"", nodeFeedback},
}

// child finds the element called name in node n: a leaf, a node, or neither.
func child(n node, name []byte) (leaf, node) {
	switch n {
	case nodeNone:
		if string(name) == "feedback" {
			return leafNone, nodeFeedback
		}
	case nodeFeedback:
		return childOfFeedback(name)
	case nodeMetadata:
		return childOfMetadata(name)
	case nodePolicy:
		return childOfPolicy(name), nodeNone
	default:
		return childOfRecord(n, name)
	}
	return leafNone, nodeNone
}

func childOfFeedback(name []byte) (leaf, node) {
	switch string(name) {
	case "record":
		return leafNone, nodeRecord
	case "version":
		return leafVersion, nodeNone
	case "report_metadata":
		return leafNone, nodeMetadata
	case "policy_published":
		return leafNone, nodePolicy
	}
	return leafNone, nodeNone
}

func childOfMetadata(name []byte) (leaf, node) {
	switch string(name) {
	case "org_name":
		return leafOrgName, nodeNone
	case "email":
		return leafEmail, nodeNone
	case "extra_contact_info":
		return leafContact, nodeNone
	case "report_id":
		return leafReportID, nodeNone
	case "error":
		return leafError, nodeNone
	case "generator":
		return leafGenerator, nodeNone
	case "date_range":
		return leafNone, nodeDateRange
	}
	return leafNone, nodeNone
}

func childOfPolicy(name []byte) leaf {
	switch string(name) {
	case "domain":
		return leafDomain
	case "p":
		return leafP
	case "sp":
		return leafSP
	case "np":
		return leafNP
	case "adkim":
		return leafADKIM
	case "aspf":
		return leafASPF
	case "pct":
		return leafPct
	case "fo":
		return leafFo
	case "testing":
		return leafTesting
	case "discovery_method":
		return leafDiscovery
	}
	return leafNone
}

// childOfRecord finds the children of date_range, record and what a record contains.
func childOfRecord(n node, name []byte) (leaf, node) {
	switch n {
	case nodeDateRange:
		return pick(name, "begin", leafBegin, "end", leafEnd), nodeNone
	case nodeRecord:
		switch string(name) {
		case "row":
			return leafNone, nodeRow
		case "identifiers", "identities": // QUIRK(identities): see openNode.
			return leafNone, nodeIdentifiers
		case "auth_results":
			return leafNone, nodeAuthResults
		}
	case nodeRow:
		if string(name) == "policy_evaluated" {
			return leafNone, nodeEvaluated
		}
		return pick(name, "source_ip", leafSource, "count", leafCount), nodeNone
	case nodeEvaluated:
		switch string(name) {
		case "disposition":
			return leafDisposition, nodeNone
		case "reason":
			return leafNone, nodeReason
		}
		return pick(name, "dkim", leafEvalDKIM, "spf", leafEvalSPF), nodeNone
	case nodeReason:
		return pick(name, "type", leafReasonType, "comment", leafReasonComment), nodeNone
	case nodeIdentifiers:
		if string(name) == "header_from" {
			return leafHeaderFrom, nodeNone
		}
		return pick(name, "envelope_from", leafEnvelopeFrom, "envelope_to", leafEnvelopeTo), nodeNone
	case nodeAuthResults:
		switch string(name) {
		case "dkim":
			return leafNone, nodeDKIM
		case "spf":
			return leafNone, nodeSPF
		}
	case nodeDKIM:
		switch string(name) {
		case "domain":
			return leafDKIMDomain, nodeNone
		case "selector":
			return leafDKIMSelector, nodeNone
		}
		return pick(name, "result", leafDKIMResult, "human_result", leafDKIMHuman), nodeNone
	case nodeSPF:
		switch string(name) {
		case "domain":
			return leafSPFDomain, nodeNone
		case "scope":
			return leafSPFScope, nodeNone
		}
		return pick(name, "result", leafSPFResult, "human_result", leafSPFHuman), nodeNone
	}
	return leafNone, nodeNone
}

func pick(name []byte, a string, la leaf, b string, lb leaf) leaf {
	switch string(name) {
	case a:
		return la
	case b:
		return lb
	}
	return leafNone
}
