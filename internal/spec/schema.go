package spec

import (
	"encoding/json"
	"slices"
	"sync"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn"
	"github.com/bakeoffhq/bakeoff/internal/metric"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// object is a JSON object; encoding/json writes its keys sorted.
type object = map[string]any

// Schema returns the JSON Schema (draft 2020-12) of a pipeline file, for editors and for whoever
// writes such files by program. It knows the built-in learners, their parameters and the metrics.
// Files are checked against it too, except for what a trainer asks of its candidate: there the
// messages need more than a schema can say.
func Schema() []byte {
	root := fileSchema()
	candidate := root["properties"].(object)["candidates"].(object)["items"].(object)
	candidate["allOf"] = trainerRules()
	editorRules(root)
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic(err) // a fault in the tables below, which every test would hit
	}
	return append(text, '\n')
}

// shapeSchema is the schema that files are checked against. Nobody changes it.
var shapeSchema = sync.OnceValue(fileSchema)

// shape is shapeSchema, compiled.
var shape = sync.OnceValue(func() *jsonschema.Schema {
	const url = "urn:bakeoff:pipeline"
	text, err := json.Marshal(shapeSchema())
	if err != nil {
		panic(err)
	}
	var document any
	if err := json.Unmarshal(text, &document); err != nil {
		panic(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource(url, document); err != nil {
		panic(err)
	}
	return c.MustCompile(url)
})

// The patterns of the short forms, for editors; what reads them says more.
const (
	namePattern     = `^[a-z0-9][a-z0-9_-]{0,62}$`
	sharePattern    = `^[0-9]+(\.[0-9]+)?%?$|^\.[0-9]+%?$`
	gainPattern     = `^significant$|^any$|^[0-9.]+(e-?[0-9]+)?(%|pt)?$`
	marginPattern   = `^[0-9.]+(e-?[0-9]+)?(%|pt)?$`
	durationPattern = `^([0-9.]+(ns|us|µs|μs|ms|s|m|h|d|w))+$`
	memoryPattern   = `^[0-9.]+([KMGT]i?)?B$`
)

func fileSchema() object {
	root := mapping("A bakeoff pipeline: data, candidates, and how they are judged.", object{
		"name":       text("Names the pipeline and the model that it promotes.", "pattern", namePattern),
		"schedule":   scheduleSchema(),
		"data":       dataSchema(),
		"candidates": list("The competing recipes.", candidateSchema(), "minItems", 1),
		"parallel":   whole("How many candidates are built at once, and settings of a search scored; 0, the default, for as many as the worker has slots.", 0),
		"at_least":   whole("How many candidates must be built for a verdict. Default 1.", 1),
		"judge":      judgeSchema(),
		"gate":       gateSchema(),
		"deploy": mapping("What is done after the model's champion has moved, for those who serve elsewhere.", object{
			"hooks": list("Done in this order.", hookSchema()),
		}),
		"notify": list("Who is told how each run ended.", receiverSchema()),
	}, "name", "data", "candidates")
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "bakeoff pipeline"
	return root
}

func dataSchema() object {
	return mapping("The rows that the pipeline learns from.", object{
		"source":  text("A CSV file with a header; a relative path starts at the pipeline file's folder."),
		"target":  text("The column to predict."),
		"task":    choice("What the target asks for. Default: inferred from its values.", tasks()),
		"key":     text("The column that identifies a row. Default: a hash of the feature columns."),
		"weight":  text("The column that says how much a row counts in training, a number from 0; it is no feature. Default: each counts one."),
		"columns": object{"type": "object", "description": "Kinds of columns, where the inferred ones are wrong.", "additionalProperties": choice("", kinds())},
		"ignore":  list("Columns that are left out.", text("")),
		"missing": list(`Texts that mean a missing value, beside "", NA, NaN, null and ?.`, scalar("")),
		"split": mapping("How the holdout is chosen.", object{
			"holdout": share("The holdout's share of the rows. Default 20%."),
			"by":      choice("Default hash: of the row's identity and the seed.", splits()),
			"column":  text("The column of by: time, by: group and by: column."),
			"seed":    whole("Decides, with the row's identity, the side of a row. Default 1.", 0),
			"rotate":  duration("How long the same rows are held out, at least a day, with by: hash and by: group; champion and challengers are both built again for the next ones. Default: for ever."),
		}),
	}, "source", "target")
}

func candidateSchema() object {
	return mapping("", object{
		"name":    text("Unique in the file.", "pattern", namePattern),
		"trainer": choice("What builds: a built-in learner, or a command of your own.", trainers()),
		"params":  object{"type": "object", "description": "Parameters of the trainer."},
		"build":   list("The command that builds, with its arguments. No variables are put in.", scalar(""), "minItems", 1),
		"predict": list("The command that answers predictions, with its arguments. No variables are put in.", scalar(""), "minItems", 1),
		"limits": mapping("Bounds of one attempt at building.", object{
			"time":   duration("Default: no limit."),
			"memory": text("A size such as 4GiB or 512MB, of the trainer and all that it starts. Default: no limit.", "pattern", memoryPattern),
		}),
		"search": searchSchema(),
		"queue":  text("Whose workers build it. Default: default.", "pattern", namePattern),
		"retry": mapping("How often a trainer's own failure is tried again. A lost worker is made up for in any case.", object{
			"attempts": object{"type": "integer", "minimum": 1, "maximum": maxAttempts, "description": "In all. Default 1."},
			"backoff":  duration("Before the second attempt, doubled before each later one. Default 30s."),
		}),
	}, "name", "trainer")
}

func judgeSchema() object {
	return mapping("What the leaderboard measures.", object{
		"metric":     choice("The metric that decides. Default: roc_auc for binary, accuracy for multiclass, rmse for regression.", metric.Names()),
		"also":       list("Metrics that are shown beside it.", choice("", metric.Names())),
		"confidence": share("Of the intervals. Default 95%."),
		"slices":     list("Feature columns by whose values the holdout is also judged in parts.", scalar(""), "minItems", 1),
	})
}

func gateSchema() object {
	floors := object{}
	for _, name := range metric.Names() {
		floors[name] = object{"type": "number"}
	}
	return mapping("What a challenger must pass to become the champion.", object{
		"floors": mapping("The least acceptable value of a metric; the most, where lower is better.", floors),
		"gain": object{
			"type": []string{"string", "number"}, "pattern": gainPattern, "minimum": 0,
			"description": "By how much the champion must be beaten: significant (default: more than noise explains), any, 0.01, 0.5pt (half a hundredth of a metric from 0 to 1), or 1% of the champion's value.",
		},
		"cooldown": duration("For so long after the champion has moved no run promotes. Default: none."),
		"approve":  approveSchema(),
		"no_slice_worse_than": object{
			"type": []string{"string", "number"}, "pattern": marginPattern, "minimum": 0,
			"description": "By how much a challenger may be worse than the champion in a slice: 0.01, 2pt, or 1% of the champion's value there. Default: by any.",
		},
		"budgets": budgetSchema(),
	})
}

func budgetSchema() object {
	return mapping("What a challenger may take to answer, as measured while it is judged.", object{
		"p50": duration("For one row, at most, in half of the cases."),
		"p95": duration("For one row, at most, in 95 of 100 cases."),
		"rows_per_second": object{
			"type": []string{"number", "string"}, "exclusiveMinimum": 0, "description": "In blocks of many rows, at least.",
		},
		"size":   text("A size such as 50MB, of the artifact, at most.", "pattern", memoryPattern),
		"memory": text("A size such as 1GiB, of the resident memory of the opened model, at most.", "pattern", memoryPattern),
	})
}

func scheduleSchema() object {
	fields := object{
		"cron":     text(`Five fields (minute, hour, day of month, month, day of week), a macro such as @daily, or @every 90m. With both days given, either makes it due.`),
		"timezone": text("An IANA name such as Asia/Seoul. Default: the machine's."),
		"missed": choice("Of ticks that passed while nobody looked: latest (default) makes up for the newest, all for each, none for none.",
			[]string{string(bakeoff.MissedLatest), string(bakeoff.MissedAll), string(bakeoff.MissedNone)}),
		"within": duration("How old such a tick may be. Default 6h."),
		"overlap": choice("Of a tick that finds the last run still open: skip (default) it, queue it, or replace the open run.",
			[]string{string(bakeoff.OverlapSkip), string(bakeoff.OverlapQueue), string(bakeoff.OverlapReplace)}),
		"deadline": duration("From the tick to the verdict: what is not built by then is cancelled. Default: none."),
	}
	for _, f := range cronFields {
		fields[f.name] = documented(object{"type": []string{"string", "number"}}, f.doc)
	}
	s := mapping("When it runs by itself, under `bakeoff up`: text as for cron, or a mapping.", fields)
	s["type"] = []string{"string", "object"}
	return s
}

func receiverSchema() object {
	return mapping("One of slack, webhook and email.", object{
		"slack":         text("The URL of a Slack incoming webhook. Keep it in a variable: it is a secret."),
		"webhook":       text("A URL that takes a notification as JSON. Keep it in a variable: it is a secret."),
		"secret":        scalar("The key of a webhook's signature. Keep it in a variable."),
		"email":         emailSchema(),
		"allow_private": object{"type": "boolean", "description": "The connection may be unencrypted, or lead to a loopback or private address."},
	})
}

func emailSchema() object {
	return mapping("How a notification is mailed.", object{
		"to": documented(object{"type": []string{"string", "array"}, "items": text(""), "minItems": 1},
			"Who gets it: a list of addresses, or one text with commas between them."),
		"from":     text("The sender's address."),
		"host":     text("The SMTP server."),
		"port":     documented(object{"type": []string{"integer", "string"}, "pattern": `^([0-9]+|.*\$\{.*)$`, "minimum": 1, "maximum": 65535}, "Default: 587 for starttls, 465 for implicit, 25 for none."),
		"username": scalar("For the server; with a password."),
		"password": scalar("Keep it in a variable: it is a secret."),
		"tls": choice("starttls (default), implicit (default on port 465), or none, which asks for allow_private.",
			[]string{string(bakeoff.EmailStartTLS), string(bakeoff.EmailImplicit), string(bakeoff.EmailNoTLS)}),
	}, "to", "from", "host")
}

func hookSchema() object {
	return mapping("One of webhook, command and copy.", object{
		"webhook":       text("A URL that takes the deployment as JSON. Keep it in a variable: it is a secret."),
		"secret":        scalar("The key of a webhook's signature. Keep it in a variable."),
		"allow_private": object{"type": "boolean", "description": "A webhook's URL may be plain HTTP, or lead to a loopback or private address."},
		"command":       list("A command with its arguments, run in the folder of this file. No variables are put in.", scalar(""), "minItems", 1),
		"copy":          text("A folder that is replaced by the model's files at once; a relative path starts at the folder of this file."),
		"time":          duration("How long one try may take. Default 1m, for a command 10m."),
	})
}

// editorRules adds to the schema of a file which keys go together. Files are not checked against
// them: of a broken rule like these, the validator only says that some alternative failed.
func editorRules(root object) {
	properties := root["properties"].(object)
	properties["notify"].(object)["items"].(object)["oneOf"] = requireOne("slack", "webhook", "email")
	hooks := properties["deploy"].(object)["properties"].(object)["hooks"].(object)
	hooks["items"].(object)["oneOf"] = requireOne("webhook", "command", "copy")
	schedule := properties["schedule"].(object)
	schedule["if"] = object{"type": "object"}
	schedule["then"] = object{"oneOf": requireOne("cron", "minute")}
	needed := object{}
	for _, f := range cronFields[1:] {
		needed[f.name] = []string{"minute"}
	}
	schedule["dependentRequired"] = needed
}

// requireOne is what oneOf asks for where a mapping has just one of some keys.
func requireOne(keys ...string) []any {
	var rules []any
	for _, key := range keys {
		rules = append(rules, object{"required": []string{key}})
	}
	return rules
}

func duration(doc string) object {
	return text("A duration such as 45m, 1h30m or 2d. "+doc, "pattern", durationPattern)
}

// trainerRules says for each trainer which other keys its candidate has.
func trainerRules() []any {
	rules := []any{trainerRule(bakeoff.TrainerCommand, object{
		"required": []string{"build", "predict"}, "properties": object{"search": false},
	})}
	for _, learner := range learn.Learners() {
		params, space := object{}, object{}
		for _, p := range learn.Parameters(learner) {
			params[p.Name] = parameterSchema(p)
			space[p.Name] = dimensionSchema(p)
			if p.Alias != "" {
				space[p.Alias] = with(dimensionSchema(p), []any{"$comment", "another name of " + p.Name, "deprecated", true})
				params[p.Alias] = object{"$comment": "another name of " + p.Name, "deprecated": true, "type": p.Type, "minimum": p.Min, "maximum": p.Max}
			}
		}
		rules = append(rules, trainerRule(learner, object{"properties": object{
			"params": mapping("", params), "build": false, "predict": false,
			"search": object{"properties": object{"params": mapping("", space)}},
		}}))
	}
	return rules
}

func trainerRule(trainer string, then object) object {
	is := object{"properties": object{"trainer": object{"const": trainer}}, "required": []string{"trainer"}}
	return object{"if": is, "then": then}
}

func parameterSchema(p learn.Parameter) object {
	s := object{"description": p.Doc, "default": p.Default}
	switch p.Type {
	case learn.TypeBoolean:
		s["type"] = p.Type
	case learn.TypeString:
		s["enum"] = p.Choices
	case learn.TypeArray:
		item := object{"type": learn.TypeInteger, "minimum": p.Min, "maximum": p.Max}
		s["oneOf"] = []any{item, object{"type": p.Type, "items": item, "minItems": 1, "maxItems": p.MaxItems}}
	case learn.TypeObject:
		members := object{"type": p.Type, "additionalProperties": object{"type": learn.TypeNumber, "minimum": p.Min, "maximum": p.Max}}
		s["oneOf"] = []any{members, object{"enum": append([]string{}, p.Choices...)}}
		if len(p.Choices) == 0 {
			s["oneOf"] = []any{members}
		}
	default:
		s["type"] = p.Type
		s["minimum"], s["maximum"] = p.Min, p.Max
	}
	return s
}

func trainers() []string { return append(learn.Learners(), bakeoff.TrainerCommand) }

func tasks() []string {
	return []string{string(bakeoff.Binary), string(bakeoff.Multiclass), string(bakeoff.Regression)}
}

func kinds() []string {
	var names []string
	for _, k := range bakeoff.Kinds() {
		names = append(names, string(k))
	}
	return names
}

func splits() []string {
	return []string{string(bakeoff.SplitByHash), string(bakeoff.SplitByTime), string(bakeoff.SplitByGroup), string(bakeoff.SplitByColumn)}
}

// mapping is the schema of a mapping that has no other keys than these.
func mapping(doc string, properties object, required ...string) object {
	s := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = slices.Clone(required)
	}
	return documented(s, doc)
}

func list(doc string, items object, keywords ...any) object {
	return documented(with(object{"type": "array", "items": items}, keywords), doc)
}

func text(doc string, keywords ...any) object {
	return documented(with(object{"type": "string"}, keywords), doc)
}

// scalar is text that may look like something else: an argument 3 is the text "3".
func scalar(doc string) object {
	return documented(object{"type": []string{"string", "number", "boolean", "null"}}, doc)
}

func choice(doc string, of []string) object {
	return documented(object{"type": "string", "enum": of}, doc)
}

func whole(doc string, least int) object {
	return documented(object{"type": "integer", "minimum": least}, doc)
}

func share(doc string) object {
	return documented(object{
		"type": []string{"string", "number"}, "pattern": sharePattern, "exclusiveMinimum": 0, "exclusiveMaximum": 1,
	}, doc)
}

func documented(s object, doc string) object {
	if doc != "" {
		s["description"] = doc
	}
	return s
}

// with adds keywords, given as name and value in turn.
func with(s object, keywords []any) object {
	for i := 0; i+1 < len(keywords); i += 2 {
		s[keywords[i].(string)] = keywords[i+1]
	}
	return s
}
