//! Choices: yes or no, one of a list, several of a list.

use crate::{
    form::{
        answer::Answer,
        draft::{Draft, NO, YES},
        model::Item,
        problem::{Problem, ProblemCode},
    },
    secret::Secret,
};

pub(super) fn yes_no(draft: &Draft) -> Result<Answer, Problem> {
    match (draft.chosen.contains(YES), draft.chosen.contains(NO)) {
        (true, false) => Ok(Answer::YesNo(true)),
        (false, true) => Ok(Answer::YesNo(false)),
        (true, true) | (false, false) => Err(Problem::new(ProblemCode::ChooseYesNo)),
    }
}

pub(super) fn one(items: &[Item], draft: &Draft) -> Result<Answer, Problem> {
    let mut chosen = draft.chosen.iter();
    let (Some(value), None) = (chosen.next(), chosen.next()) else {
        return Err(Problem::new(ProblemCode::ChooseOne));
    };
    if !items.iter().any(|item| item.value == *value) {
        return Err(Problem::new(ProblemCode::NotInList));
    }
    Ok(Answer::One(Secret::from(value.as_str())))
}

pub(super) fn many(items: &[Item], draft: &Draft) -> Result<Answer, Problem> {
    if draft.chosen.is_empty() {
        return Err(Problem::new(ProblemCode::ChooseAtLeastOne));
    }
    let values: Vec<Secret> = items
        .iter()
        .filter(|item| draft.chosen.contains(&item.value))
        .map(|item| Secret::from(item.value.as_str()))
        .collect();
    if values.len() != draft.chosen.len() {
        return Err(Problem::new(ProblemCode::NotInList));
    }
    Ok(Answer::Many(values))
}
