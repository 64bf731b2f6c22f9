//! Finding relations: by linear algebra over a sample of rows.
//!
//! Columns, and quantities made of columns that look like momenta, are taken one after the other; each is projected
//! onto those before it (Gram-Schmidt). What leaves nothing over is a sum of others. Factors that are whole numbers within
//! the noise are taken as such, and the relation is tried on all rows of the sample: it counts only if nine of ten rows
//! follow from it up to rounding.

use super::{Kind, Term, number};
use crate::column::{Cells, Scalar};

/// A column that may take part.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// Its number.
    pub stream: usize,
    /// Its cells.
    pub cells: &'a Cells,
    /// Their type.
    pub scalar: Scalar,
}

/// A column that follows from others.
#[derive(Debug, Clone, PartialEq)]
pub struct Relation {
    /// The number of the column.
    pub target: usize,
    /// What it is the sum of; columns are numbers of streams.
    pub terms: Vec<Term>,
}

impl Relation {
    /// The streams that it builds on.
    pub fn streams(&self) -> impl Iterator<Item = usize> + '_ {
        self.terms.iter().flat_map(|t| t.columns.iter().take(t.kind.columns()).copied())
    }
}

/// Rows of the sample.
const ROWS: usize = 384;
/// Most terms.
const TERMS: usize = 12;
/// What may be left over, relative to a column.
const NOTHING: f64 = 2e-5;

/// The values of columns, or of what is made of them, in the rows of the sample.
struct Item {
    term: Term,
    values: Vec<f64>,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Relations among the columns of a group, each with another target. A target is no term of a relation that comes before
/// its own, so that in reverse order all can be undone.
pub fn find(columns: &[Given]) -> Vec<Relation> {
    let count = columns.first().map_or(0, |c| c.cells.len());
    if count < 32 || columns.len() < 2 {
        return Vec::new();
    }
    let step = count.div_ceil(ROWS);
    let rows: Vec<usize> = (0..count).step_by(step).collect();
    let mut items: Vec<Item> = Vec::new();
    for c in columns {
        let values: Vec<f64> = rows.iter().map(|&i| number(c.cells.get(i).unwrap_or(0), c.scalar)).collect();
        let fits = values.iter().all(|x| x.abs() < 1e12);
        let varies = values.iter().any(|x| *x != values[0]);
        if fits && varies {
            let term = Term { kind: Kind::Column, columns: [c.stream, 0, 0, 0], factor: 1.0 };
            items.push(Item { term, values });
        }
    }
    let plain = items.len();
    made(&mut items);
    let mut found: Vec<Relation> = Vec::new();
    alike(&items, plain, &mut found);
    // An orthonormal basis of the columns so far, and how it is made of them.
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let mut recipe: Vec<Vec<f64>> = Vec::new();
    let mut members: Vec<usize> = Vec::new();
    let limit = rows.len() / 2;
    for j in 0..items.len() {
        let norm = dot(&items[j].values, &items[j].values).sqrt();
        if norm == 0.0 || !norm.is_finite() {
            continue;
        }
        let mut rest: Vec<f64> = items[j].values.iter().map(|x| x / norm).collect();
        let mut factors = vec![0.0; members.len()];
        // Twice is enough (Kahan).
        for _ in 0..2 {
            for (q, made) in basis.iter().zip(&recipe) {
                let r = dot(q, &rest);
                rest.iter_mut().zip(q).for_each(|(x, q)| *x -= r * q);
                factors.iter_mut().zip(made).for_each(|(f, m)| *f += r * m);
            }
        }
        let left = dot(&rest, &rest).sqrt();
        if left < NOTHING {
            let sum: Vec<(usize, f64)> = members
                .iter()
                .zip(&factors)
                .map(|(&k, f)| (k, f * norm))
                .filter(|(k, f)| {
                    let size = dot(&items[*k].values, &items[*k].values).sqrt();
                    f.abs() * size > 1e-3 * norm
                })
                .collect();
            if let Some(relation) = settle(&items, j, &sum, j >= plain, &found) {
                let whole = relation.clone();
                found.push(relation);
                if j >= plain {
                    rest_of(&items, &whole, &mut found);
                }
            }
        } else if j < plain && members.len() < limit.min(40) {
            rest.iter_mut().for_each(|x| *x /= left);
            let mut made: Vec<f64> = factors.iter().map(|f| -f / left).collect();
            made.push(1.0 / (norm * left));
            recipe.iter_mut().for_each(|m| m.push(0.0));
            basis.push(rest);
            recipe.push(made);
            members.push(j);
        }
    }
    found
}

/// Columns that mostly are what is made of others, however far off they are elsewhere.
fn alike(items: &[Item], plain: usize, found: &mut Vec<Relation>) {
    let rows = items.first().map_or(0, |i| i.values.len());
    for made in &items[plain..] {
        let of = &made.term.columns[..made.term.kind.columns()];
        for column in &items[..plain] {
            let target = column.term.columns[0];
            let taken = |r: &Relation| r.target == target || r.streams().any(|s| s == target);
            if of.contains(&target) || found.iter().any(taken) {
                continue;
            }
            let near = |i: &usize| {
                let (x, y) = (column.values[*i], made.values[*i]);
                x != 0.0 && (x - y).abs() <= 4e-6 * y.abs()
            };
            let glance = rows.min(24);
            if (0..glance).filter(near).count() * 2 >= glance
                && (0..rows).filter(near).count() * 10 >= rows * 6
            {
                found.push(Relation { target, terms: vec![made.term] });
            }
        }
    }
}

/// The relation in which item `j` is the sum of others, with the target that loses least.
fn settle(
    items: &[Item],
    j: usize,
    sum: &[(usize, f64)],
    is_made: bool,
    found: &[Relation],
) -> Option<Relation> {
    if sum.is_empty() || sum.len() > TERMS {
        return None;
    }
    let whole = |f: f64| if (f - f.round()).abs() < 2e-3 && f.round() != 0.0 { f.round() } else { f };
    let factors: Vec<(usize, f64)> = sum.iter().map(|&(k, f)| (k, whole(f))).collect();
    // Odd factors are believed of one term only.
    if factors.len() > 1 && factors.iter().any(|(_, f)| f.abs() != 1.0) {
        return None;
    }
    // A later relation may not build on what an earlier one explains by its target.
    let builds =
        |r: &Relation, on: usize| r.terms.iter().any(|t| t.columns[..t.kind.columns()].contains(&on));
    let target = if is_made {
        // One of the columns follows from what is made of the others: the one that mostly is the largest.
        let free = |k: usize| !items[j].term.columns[..items[j].term.kind.columns()].contains(&k);
        factors
            .iter()
            .filter(|(k, f)| f.abs() == 1.0 && free(items[*k].term.columns[0]))
            .filter(|(k, _)| {
                let number = items[*k].term.columns[0];
                found.iter().all(|r| r.target != number && !builds(r, number))
            })
            .max_by(|a, b| {
                // The digits that the relation tells, over all rows.
                let told = |k: usize| -> f64 {
                    let rows = items[k].values.iter().zip(&items[j].values);
                    rows.map(|(x, of)| (23.0 + (x.abs() / of.abs()).max(1e-9).log2()).clamp(0.0, 23.0)).sum()
                };
                told(a.0).total_cmp(&told(b.0))
            })?
            .0
    } else {
        j
    };
    let number = items[target].term.columns[0];
    let mut terms = Vec::new();
    if target == j {
        terms.extend(factors.iter().map(|&(k, factor)| Term { factor, ..items[k].term }));
    } else {
        let own = factors.iter().find(|(k, _)| *k == target)?.1;
        terms.push(Term { factor: own, ..items[j].term });
        terms.extend(
            factors
                .iter()
                .filter(|(k, _)| *k != target)
                .map(|&(k, f)| Term { factor: -f * own, ..items[k].term }),
        );
    }
    if found.iter().any(|r| r.target == number) {
        return None;
    }
    let rows = items[j].values.len();
    let good = (0..rows)
        .filter(|&i| {
            let (mut total, mut size) = (0.0, items[target].values[i].abs());
            for t in &terms {
                let value = t.factor * value_of(items, t, i);
                total += value;
                size += value.abs();
            }
            (total - items[target].values[i]).abs() <= size * 2e-6
        })
        .count();
    (good * 10 >= rows * 9).then_some(Relation { target: number, terms })
}

fn value_of(items: &[Item], term: &Term, row: usize) -> f64 {
    let same = |i: &&Item| {
        i.term.kind == term.kind
            && i.term.columns[..term.kind.columns()] == term.columns[..term.kind.columns()]
    };
    items.iter().find(same).map_or(f64::NAN, |i| i.values[row])
}

/// Where the target is 0 the others add up without it: then one of them follows, and so on where that is 0 too.
fn rest_of(items: &[Item], whole: &Relation, found: &mut Vec<Relation>) {
    let index =
        |stream: usize| items.iter().position(|i| i.term.kind == Kind::Column && i.term.columns[0] == stream);
    let mut gone = vec![whole.target];
    for _ in 0..3 {
        let empty = |row: usize| gone.iter().all(|&g| index(g).is_some_and(|k| items[k].values[row] == 0.0));
        let rows: Vec<usize> = (0..items[0].values.len()).filter(|&row| empty(row)).collect();
        let made_of = |t: &Term, stream: usize| {
            t.kind != Kind::Column && t.columns[..t.kind.columns()].contains(&stream)
        };
        // What is told of a member, in digits.
        let told = |t: &Term| -> f64 {
            let Some(k) = index(t.columns[0]) else { return 0.0 };
            let value = |row: usize| items[k].values[row].abs();
            let total = |row: usize| value_of(items, &whole.terms[0], row).abs();
            rows.iter().map(|&r| (23.0 + (value(r) / total(r)).max(1e-9).log2()).clamp(0.0, 23.0)).sum()
        };
        let used = |r: &Relation, on: usize| {
            r.target == on || (r.target != whole.target && r.streams().any(|s| s == on))
        };
        let free = |t: &&Term| {
            let stream = t.columns[0];
            t.kind == Kind::Column
                && t.factor.abs() == 1.0
                && !gone.contains(&stream)
                && !whole.terms.iter().any(|t| made_of(t, stream))
                && !found.iter().filter(|r| !gone.contains(&r.target)).any(|r| used(r, stream))
        };
        let best = whole.terms.iter().filter(free).max_by(|a, b| told(a).total_cmp(&told(b)));
        let Some(best) = best.filter(|t| told(t) > 2.0 * items[0].values.len() as f64).copied() else {
            return;
        };
        let target = best.columns[0];
        let others = whole
            .terms
            .iter()
            .filter(|t| t.kind != Kind::Column || !(t.columns[0] == target || gone.contains(&t.columns[0])));
        let terms = others.map(|t| Term { factor: -t.factor * best.factor, ..*t }).collect();
        found.push(Relation { target, terms });
        gone.push(target);
    }
}

/// Appends what can be made of columns that look like the components of a momentum.
fn made(items: &mut Vec<Item>) {
    let plain = items.len();
    let least = |k: usize| items[k].values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = |k: usize| items[k].values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let signed = |k: usize| least(k) < 0.0 && most(k) > 0.0;
    let positive = |k: usize| least(k) >= 0.0;
    let angle = |k: usize| signed(k) && most(k) < 12.0 && least(k) > -12.0 && most(k) - least(k) > 1.0;
    let turn = |k: usize| angle(k) && most(k) < 6.5 && least(k) > -6.5;
    let mut wanted: Vec<(Kind, [usize; 4])> = Vec::new();
    for k in 0..plain {
        let near = |to: usize| k + 1..(k + 1 + to).min(plain);
        if positive(k) && most(k) > 0.0 {
            for eta in near(2).filter(|&e| angle(e)) {
                wanted.push((Kind::MomentumOfPtEta, [k, eta, 0, 0]));
                wanted.push((Kind::Longitudinal, [k, eta, 0, 0]));
                for m in (eta + 1..(eta + 4).min(plain)).filter(|&m| least(m) > -1.0 && most(m) > 0.0) {
                    wanted.push((Kind::EnergyOfPtEtaM, [k, eta, m, 0]));
                }
            }
            for phi in near(3).filter(|&p| turn(p)) {
                wanted.push((Kind::PtCos, [k, phi, 0, 0]));
                wanted.push((Kind::PtSin, [k, phi, 0, 0]));
            }
        }
        if k + 1 < plain && signed(k) && signed(k + 1) {
            wanted.push((Kind::Transverse, [k, k + 1, 0, 0]));
            if k + 2 < plain && signed(k + 2) {
                wanted.push((Kind::Momentum, [k, k + 1, k + 2, 0]));
                let around = k.saturating_sub(6)..(k + 9).min(plain);
                // Where m^2 comes out negative, some write -sqrt(-m^2).
                let mass = |m: usize| most(m) > 0.0 && least(m) > -0.2 * most(m);
                for m in around.filter(|&m| !(k..k + 3).contains(&m) && mass(m)) {
                    wanted.push((Kind::EnergyOfPM, [k, k + 1, k + 2, m]));
                }
            }
        }
    }
    for (kind, of) in wanted {
        let values = (0..items[0].values.len())
            .map(|i| {
                let mut x = [0.0; 4];
                x.iter_mut().zip(of).take(kind.columns()).for_each(|(x, k)| *x = items[k].values[i]);
                kind.value(x)
            })
            .collect();
        let columns = of.map(|k| items[k].term.columns[0]);
        items.push(Item { term: Term { kind, columns, factor: 1.0 }, values });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: &mut u64) -> f64 {
        *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (*seed >> 40) as f64 / (1u64 << 24) as f64
    }

    fn floats(v: &[f64]) -> Cells {
        Cells::W4(v.iter().map(|x| (*x as f32).to_bits()).collect())
    }

    #[test]
    fn sums_and_the_energy_are_found() {
        let mut s = 1;
        let n = 500;
        let draw = |f: &mut dyn FnMut() -> f64| (0..n).map(|_| f64::from(f() as f32)).collect::<Vec<f64>>();
        let pt = draw(&mut || 20.0 + 100.0 * noise(&mut s));
        let eta = draw(&mut || 4.0 * noise(&mut s) - 2.0);
        let phi = draw(&mut || 6.2 * noise(&mut s) - 3.1);
        let m = draw(&mut || 10.0 * noise(&mut s));
        let energy: Vec<f64> =
            (0..n).map(|i| Kind::EnergyOfPtEtaM.value([pt[i], eta[i], m[i], 0.0])).collect();
        let a = draw(&mut || 12.0 * noise(&mut s));
        let b = draw(&mut || 7.0 * noise(&mut s));
        let c: Vec<f64> = (0..n).map(|i| energy[i] - a[i] - b[i]).collect();
        let total: Vec<f64> = (0..n).map(|i| a[i] + b[i]).collect();
        let cells: Vec<Cells> = [&pt, &eta, &phi, &m, &a, &b, &c, &total].map(|v| floats(v)).into();
        let given: Vec<Given> = cells
            .iter()
            .enumerate()
            .map(|(stream, cells)| Given { stream, cells, scalar: Scalar::F32 })
            .collect();
        let found = find(&given);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[0].target, found[0].terms.len()), (7, 2));
        let energy = &found[1];
        assert!([4, 6].contains(&energy.target) || energy.target == 5, "{energy:?}");
        assert_eq!(energy.terms[0].kind, Kind::EnergyOfPtEtaM);
        assert_eq!(energy.terms.len(), 3);
    }

    #[test]
    fn noise_has_no_relations() {
        let mut s = 7;
        let cells: Vec<Cells> =
            (0..12).map(|_| floats(&(0..400).map(|_| noise(&mut s) - 0.5).collect::<Vec<f64>>())).collect();
        let given: Vec<Given> = cells
            .iter()
            .enumerate()
            .map(|(stream, cells)| Given { stream, cells, scalar: Scalar::F32 })
            .collect();
        assert_eq!(find(&given), []);
    }
}
