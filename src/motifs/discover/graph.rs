//! Groups of neighbours (Blondel et al. 2008, J Stat Mech P10008, "Louvain").

use std::collections::BTreeMap;

/// An undirected graph: for each node its neighbours with weights above 0, in both directions.
pub(super) type Graph = Vec<BTreeMap<u32, f64>>;

/// Puts nodes into groups that share more weight than chance would give: a group for each node, numbered by their smallest node.
/// `resolution` above 1 makes more and smaller groups. Nodes are visited in their order, so that results are always the same.
pub(super) fn groups(graph: &Graph, resolution: f64) -> Vec<usize> {
    let mut group: Vec<usize> = (0..graph.len()).collect();
    let mut level = graph.clone();
    loop {
        let moved = one_level(&level, resolution);
        let kinds = moved.iter().max().map_or(0, |m| m + 1);
        for g in &mut group {
            *g = moved[*g];
        }
        if kinds == level.len() {
            return group;
        }
        let mut next: Graph = vec![BTreeMap::new(); kinds];
        for (node, edges) in level.iter().enumerate() {
            for (&other, &weight) in edges {
                *next[moved[node]]
                    .entry(moved[other as usize] as u32)
                    .or_default() += weight;
            }
        }
        level = next;
    }
}

/// Moves nodes between groups until no move gains anything; groups are numbered by their smallest node.
fn one_level(graph: &Graph, resolution: f64) -> Vec<usize> {
    let degree: Vec<f64> = graph.iter().map(|edges| edges.values().sum()).collect();
    let total: f64 = degree.iter().sum();
    let mut group: Vec<usize> = (0..graph.len()).collect();
    let mut weight = degree.clone();
    /// Rounding must not let nodes go to and fro.
    const LEAST_GAIN: f64 = 1e-12;
    for _ in 0..100 {
        let mut moves = 0;
        for (node, edges) in graph.iter().enumerate() {
            if edges.is_empty() {
                continue;
            }
            let mut shared: BTreeMap<usize, f64> = BTreeMap::new();
            for (&other, &w) in edges.iter().filter(|(other, _)| **other as usize != node) {
                *shared.entry(group[other as usize]).or_default() += w;
            }
            let own = group[node];
            weight[own] -= degree[node];
            let gain =
                |to: usize, shared: f64| shared - resolution * degree[node] * weight[to] / total;
            let stay = gain(own, shared.get(&own).copied().unwrap_or(0.0));
            let mut best = (own, stay + LEAST_GAIN * total);
            for (&to, &w) in &shared {
                if gain(to, w) > best.1 {
                    best = (to, gain(to, w));
                }
            }
            weight[best.0] += degree[node];
            if best.0 != own {
                group[node] = best.0;
                moves += 1;
            }
        }
        if moves == 0 {
            break;
        }
    }
    let mut number: BTreeMap<usize, usize> = BTreeMap::new();
    for g in &mut group {
        let next = number.len();
        *g = *number.entry(*g).or_insert(next);
    }
    group
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(nodes: usize, edges: &[(u32, u32, f64)]) -> Graph {
        let mut graph = vec![BTreeMap::new(); nodes];
        for &(a, b, w) in edges {
            graph[a as usize].insert(b, w);
            graph[b as usize].insert(a, w);
        }
        graph
    }

    #[test]
    fn two_cliques_and_a_hermit() {
        let mut edges = Vec::new();
        for (from, to) in [(0, 5), (5, 10)] {
            for a in from..to {
                for b in a + 1..to {
                    edges.push((a, b, 1.0));
                }
            }
        }
        edges.push((2, 7, 0.5));
        let found = groups(&graph(11, &edges), 1.0);
        assert_eq!(found, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2]);
    }

    /// Modularity of the groups of a ring of cliques is the closed form's, which no single move betters.
    #[test]
    fn a_ring_of_cliques() {
        let mut edges = Vec::new();
        for clique in 0..6u32 {
            for a in 0..4 {
                for b in a + 1..4 {
                    edges.push((4 * clique + a, 4 * clique + b, 1.0));
                }
            }
            edges.push((4 * clique, 4 * ((clique + 1) % 6) + 1, 1.0));
        }
        let found = groups(&graph(24, &edges), 1.0);
        let expected: Vec<usize> = (0..24).map(|node| node / 4).collect();
        assert_eq!(found, expected);
        assert!(groups(&graph(0, &[]), 1.0).is_empty());
    }
}
