// Package examples holds the pipelines that come with the product, data and all, so that one
// binary can show itself.
package examples

import "embed"

// Churn is the folder of the demo: a pipeline file, real data and its licence.
//
//go:embed churn
var Churn embed.FS
