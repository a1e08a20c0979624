package wire

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/bakeoffhq/bakeoff"
)

// Append appends the answer to the request, in its form, for the model's predictions.
func (r *Request) Append(b []byte, p *bakeoff.Predictions) []byte {
	switch r.form {
	case Tensors:
		return r.appendTensors(b, p)
	case Invocations, CSV:
		b = append(b, `{"predictions":[`...)
		b = r.codec.appendPredictions(b, p)
		return append(b, "]}\n"...)
	}
	c := r.codec
	b = append(b, `{"model":`...)
	b = append(b, c.model...)
	b = append(b, `,"version":`...)
	b = append(b, c.number...)
	b = append(b, `,"predictions":[`...)
	b = c.appendPredictions(b, p)
	b = append(b, ']')
	if len(c.classes) > 0 {
		b = append(b, `,"classes":`...)
		b = append(b, c.all...)
		b = append(b, `,"probabilities":[`...)
		b = appendRows(b, p)
		b = append(b, ']')
	}
	b = append(b, `,"unseen_categories":`...)
	b = strconv.AppendInt(b, int64(r.columns.unseen), 10)
	return append(b, "}\n"...)
}

// appendPredictions appends the class or the number of each row.
func (c *Codec) appendPredictions(b []byte, p *bakeoff.Predictions) []byte {
	if len(c.classes) == 0 {
		return appendNumbers(b, p.Values)
	}
	for row := range p.Len() {
		if row > 0 {
			b = append(b, ',')
		}
		b = append(b, c.classes[p.Class(row)]...)
	}
	return b
}

// appendRows appends the probabilities, a list a row.
func appendRows(b []byte, p *bakeoff.Predictions) []byte {
	k := len(p.Classes)
	for row := range p.Len() {
		if row > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		b = appendNumbers(b, p.Probabilities[row*k:(row+1)*k])
		b = append(b, ']')
	}
	return b
}

// appendNumbers appends numbers so that reading gives the same bits. One that is not finite, which
// no model of ours gives, is null.
func appendNumbers(b []byte, values []float64) []byte {
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			b = append(b, "null"...)
			continue
		}
		b = strconv.AppendFloat(b, v, 'g', -1, 64)
	}
	return b
}

func (r *Request) appendTensors(b []byte, p *bakeoff.Predictions) []byte {
	c := r.codec
	b = append(b, `{"model_name":`...)
	b = append(b, c.model...)
	b = append(b, `,"model_version":"`...)
	b = append(b, c.number...)
	b = append(b, '"')
	if r.id != nil {
		b = append(b, `,"id":`...)
		b = append(b, r.id...)
	}
	b = append(b, `,"outputs":[`...)
	asked := r.outputs
	if asked == nil {
		asked = c.outputs()
	}
	for i, name := range asked {
		if i > 0 {
			b = append(b, ',')
		}
		b = c.appendOutput(b, name, p)
	}
	return append(b, "]}\n"...)
}

func (c *Codec) appendOutput(b []byte, name string, p *bakeoff.Predictions) []byte {
	b = append(b, `{"name":"`...)
	b = append(b, name...)
	b = append(b, `","shape":[`...)
	b = strconv.AppendInt(b, int64(p.Len()), 10)
	switch {
	case name == outputProbability:
		b = append(b, ',')
		b = strconv.AppendInt(b, int64(len(c.classes)), 10)
		b = append(b, `],"datatype":"FP64","data":[`...)
		b = appendNumbers(b, p.Probabilities)
	case len(c.classes) > 0:
		b = append(b, `],"datatype":"BYTES","data":[`...)
		b = c.appendPredictions(b, p)
	default:
		b = append(b, `],"datatype":"FP64","data":[`...)
		b = c.appendPredictions(b, p)
	}
	return append(b, "]}"...)
}

// metadata describes a model in the Open Inference Protocol.
type metadata struct {
	Name     string        `json:"name"`
	Versions []string      `json:"versions"`
	Platform string        `json:"platform"`
	Inputs   []description `json:"inputs"`
	Outputs  []description `json:"outputs"`
}

type description struct {
	Name       string            `json:"name"`
	Datatype   string            `json:"datatype"`
	Shape      []int             `json:"shape"`
	Parameters map[string]string `json:"parameters,omitempty"`
}

// Metadata returns the description of the model in the Open Inference Protocol. The versions are
// those that can be asked for; the order of the classes is a parameter of the outputs.
func (c *Codec) Metadata(versions []int) []byte {
	m := metadata{Name: c.version.Model, Versions: []string{}, Platform: "bakeoff_" + c.version.Lineage.Recipe.Trainer, Inputs: []description{}}
	for _, v := range slices.Sorted(slices.Values(versions)) {
		m.Versions = append(m.Versions, strconv.Itoa(v))
	}
	for _, s := range c.schema.Columns {
		m.Inputs = append(m.Inputs, description{Name: s.Name, Datatype: datatypeOf(s.Kind), Shape: []int{-1}})
	}
	if c.schema.Task == bakeoff.Regression {
		m.Outputs = []description{{Name: outputClass, Datatype: "FP64", Shape: []int{-1}}}
	} else {
		classes := map[string]string{"classes": strings.Join(c.schema.Classes, ",")}
		m.Outputs = []description{
			{Name: outputClass, Datatype: "BYTES", Shape: []int{-1}, Parameters: classes},
			{Name: outputProbability, Datatype: "FP64", Shape: []int{-1, len(c.classes)}, Parameters: classes},
		}
	}
	b, _ := json.Marshal(m) // texts and numbers always can be
	return append(b, '\n')
}
